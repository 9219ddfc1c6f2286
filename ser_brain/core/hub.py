"""A model or an encoder by name: a local folder, or an id of the Hugging Face hub.

Nothing here imports torch, and ``huggingface_hub`` only when the hub or its cache is needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ser_brain.core.errors import SERError, redacted
from ser_brain.core.log import take_over

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
XET_HOST = "huggingface.co"


def local_folder(source: str, what: str, expected: str) -> Path | None:
    """The folder that ``source`` names, or None if it is a hub id; stop if it is neither.

    ``what`` names it in the error, and ``expected`` says what one may give.
    """
    folder = Path(os.path.expanduser(source))  # leaves an unknown user as it is
    if os.path.isdir(folder):
        return folder
    if not HUB_ID.fullmatch(source):
        raise SERError(f"No {what} at {source!r}; expected {expected}.")
    return None


def model_folder(source: str, revision: str | None = None) -> Path | None:
    """As :func:`local_folder`, for an exported model; a folder has no revision."""
    expected = "a folder that `ser export` wrote, or a hub id such as name/model"
    folder = local_folder(source, "model", expected)
    if folder is not None and revision is not None:
        raise SERError(f"{source} is a folder, which has no revision {revision!r}.")
    return folder


def cached_file(hub_id: str, name: str, revision: str | None) -> Path | None:
    """A file in the hub's cache, without asking the hub."""
    import huggingface_hub as hub

    path = hub.try_to_load_from_cache(hub_id, name, revision=revision or "main")
    return Path(path) if isinstance(path, str) else None


@contextmanager
def hub_errors(hub_id: str, revision: str | None) -> Iterator[None]:
    """Turn whatever a download raises into an error that says what to do."""
    from huggingface_hub import errors

    take_over("huggingface_hub")
    try:
        yield
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        at = f" at revision {revision}" if revision else ""
        raise SERError(
            f"Neither a local folder nor a public model of the hub{at}: {hub_id!r}. Check its "
            "name, and log in with `hf auth login` if it is private or gated."
        ) from error
    except Exception as error:
        if status_of(error) == 401:
            raise SERError(
                f"Cannot download {hub_id!r}: the hub does not accept the token (401). Log in "
                "again with `hf auth login`, and check HF_TOKEN, which takes precedence."
            ) from error
        raise SERError(
            f"{hub_id!r} is not a local folder, is not in the hub's cache, and cannot be "
            f"downloaded ({reason_of(error)}). On a machine that reaches the hub, run: hf "
            f"download {hub_id} --local-dir DIR, and give the folder DIR."
        ) from error


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status behind an error, or behind one of its causes."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return status
        error = error.__cause__
    return None


def reason_of(error: BaseException) -> str:
    """The first line of an error of the hub, without tokens and passwords."""
    import huggingface_hub as hub

    text = getattr(error, "server_message", None) or str(error)
    line = redacted((text.strip().splitlines() or [type(error).__name__])[0])
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        line += f" {reason_of(error.__cause__)}"  # the outer error names the file only
    token = hub.get_token()
    return line.replace(token, "***") if token else line


def choose_storage() -> None:
    """Send large files by Git LFS unless the endpoint is the Hugging Face hub itself.

    The client library uses Xet wherever its package is installed, whether or not the server
    supports it. Call this before ``huggingface_hub`` is imported, which reads the environment
    then. A setting of the user takes precedence.
    """
    host = _address(os.environ.get("HF_ENDPOINT") or f"https://{XET_HOST}").hostname or ""
    if host != XET_HOST and not host.endswith(f".{XET_HOST}"):
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")


def endpoint() -> str:
    """The address of the hub; an error if it is not one, or contains a password."""
    from huggingface_hub import HfApi

    found = HfApi().endpoint
    if "@" in _address(found).netloc:
        raise SERError(
            "HF_ENDPOINT contains a user name or password. It would be sent in place of the "
            "token, and no login would work. Give only the address of the hub."
        )
    return found


def _address(text: str) -> SplitResult:
    try:
        found = urlsplit(text)
    except ValueError:
        found = urlsplit("")
    if found.scheme not in ("http", "https") or not found.netloc:
        raise SERError("HF_ENDPOINT is not the address of a hub; expected https://HOST.")
    return found

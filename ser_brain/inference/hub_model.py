"""Where a model is: a local folder, the hub's cache, or the hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ser_brain.checksums import SUMS
from ser_brain.errors import SERError
from ser_brain.log import take_over
from ser_brain.redaction import redacted

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
TIMEOUT_S = 10


def find_model(source: str, revision: str | None = None) -> tuple[Path, str]:
    """The folder of a model, downloaded where need be, and what it is.

    Only what is read is fetched. A commit that the cache holds is not asked
    for again; where the hub cannot be reached, what the cache has of a branch is taken.

    Parameters
    ----------
    source : str
        Folder or hub id.
    revision : str, optional
        Branch, tag or commit of a hub id.

    Returns
    -------
    folder : Path
    found : str
        The folder's name, or ``name/model@commit``.

    Raises
    ------
    SERError
        If there is no such model.
    """
    folder = require_model_name(source, revision)
    if folder is not None:
        return folder, folder.resolve().name
    found = _snapshot(source, revision)
    return found, f"{source}@{found.name}"


def require_model_name(source: str, revision: str | None = None) -> Path | None:
    """The folder that a model is named by, or None where it is by a hub id; needs no torch.

    Raises
    ------
    SERError
        For what is neither, or a revision of a folder.
    """
    folder = Path(os.path.expanduser(source))  # which leaves a user that there is not
    if os.path.isdir(folder):
        if revision is not None:
            raise SERError(f"{source} is a folder, which has no revision {revision!r}.")
        return folder
    if not HUB_ID.fullmatch(source):
        raise SERError(
            f"No model at {source!r}; expected a folder that `ser export` wrote, or a hub id "
            "such as name/model."
        )
    return None


def _snapshot(source: str, revision: str | None) -> Path:
    import huggingface_hub as hub
    from huggingface_hub import errors

    from ser_brain.inference.model_folder import CONFIG, WEIGHTS  # brings torch

    take_over("huggingface_hub")
    wanted = {"revision": revision, "allow_patterns": [CONFIG, WEIGHTS, SUMS]}
    try:
        if revision is not None and COMMIT.fullmatch(revision):
            cached = [
                hub.try_to_load_from_cache(source, name, revision=revision)
                for name in (CONFIG, WEIGHTS)
            ]
            if all(isinstance(path, str) for path in cached):
                return Path(cached[0]).parent
        return Path(hub.snapshot_download(source, etag_timeout=TIMEOUT_S, **wanted))
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        at = f" at revision {revision}" if revision else ""
        raise SERError(
            f"Neither a local folder nor a public model of the hub{at}: {source!r}. Check its "
            "name, and log in with `hf auth login` if it is private or gated."
        ) from error
    except Exception as error:
        if status_of(error) == 401:
            raise SERError(
                f"{source!r} cannot be fetched: the hub does not accept the token (401). Log "
                "in again with `hf auth login`, and check HF_TOKEN, which comes first."
            ) from error
        raise SERError(
            f"{source!r} is no local folder, is not in the hub's cache, and cannot be fetched "
            f"({first_line(error)}). Where the hub can be reached, run: hf download {source} "
            "--local-dir DIR, and give the folder DIR."
        ) from error


def status_of(error: BaseException | None) -> int | None:
    """HTTP status of the answer that an error, or one it was raised from, is about."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return status
        error = error.__cause__
    return None


def first_line(error: BaseException) -> str:
    """What an error of the hub says first, without the token or a password."""
    import huggingface_hub as hub

    text = getattr(error, "server_message", None) or str(error)
    line = redacted((text.strip().splitlines() or [type(error).__name__])[0])
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        line += f" {first_line(error.__cause__)}"  # Which file; why is in the cause.
    token = hub.get_token()
    return line.replace(token, "***") if token else line

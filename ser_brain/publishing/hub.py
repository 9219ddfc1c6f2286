"""The hub: which one, with whose token, and what its errors mean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import SplitResult, urlsplit

from ser_brain.errors import SERError

XET_HOST = "huggingface.co"


def choose_storage() -> None:
    """Send large files by Git LFS unless the endpoint is the Hugging Face hub itself.

    The client library sends by Xet wherever its package is installed, without asking whether
    the server knows it. To be called before ``huggingface_hub`` is imported, which reads the
    environment then; what the user has set there holds.

    Raises
    ------
    SERError
        If ``HF_ENDPOINT`` is no address.
    """
    host = _address(os.environ.get("HF_ENDPOINT") or f"https://{XET_HOST}").hostname or ""
    if host != XET_HOST and not host.endswith(f".{XET_HOST}"):
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")


def endpoint() -> str:
    """The address of the hub, which may be shown.

    Raises
    ------
    SERError
        If it is none, or has a password in it.
    """
    from huggingface_hub import HfApi

    found = HfApi().endpoint
    if "@" in _address(found).netloc:
        raise SERError(
            "HF_ENDPOINT holds a user name or password, which would be sent in place of the "
            "token, so that nobody could be logged in. Give the address of the hub alone."
        )
    return found


def _address(text: str) -> SplitResult:
    try:
        found = urlsplit(text)
    except ValueError:
        found = urlsplit("")
    if found.scheme not in ("http", "https") or not found.netloc:
        raise SERError("HF_ENDPOINT is no address of a hub; expected https://HOST.")
    return found


def connect():
    """The hub that ``HF_ENDPOINT`` names, with the token of this machine.

    Returns
    -------
    huggingface_hub.HfApi

    Raises
    ------
    SERError
        If there is no token, or it cannot be one; if the hub has no address to be shown.
    """
    from huggingface_hub import HfApi, get_token

    endpoint()
    try:
        token = get_token()
    except Exception as error:  # Of whatever service signs this machine in.
        raise SERError(f"Cannot get the token of the hub: {error}") from error
    if token is None:
        raise SERError(
            "No token of the hub on this machine: log in with `hf auth login`, or set HF_TOKEN."
        )
    if not (token.isascii() and token.isprintable() and " " not in token):
        # The HTTP library would refuse it with an error that quotes it.
        raise SERError(
            "The token of the hub has characters that none has; copy it again and log in with "
            "`hf auth login`, or set HF_TOKEN."
        )
    return HfApi(token=token)


@contextmanager
def explained(repo_id: str, endpoint: str, done: list[str]) -> Iterator[None]:
    """Turn what goes wrong with a hub into one line that says how far things got.

    Parameters
    ----------
    repo_id : str
    endpoint : str
    done : list of str
        What has been done so far; read when something fails.

    Raises
    ------
    SERError
        Without a token in it, and without the chain of errors, which might quote it.
    """
    try:
        yield
    except SERError:
        raise
    except Exception as error:  # The library's own, its transport's, and others around both.
        reason = _reason(error, repo_id, endpoint)
        so_far = "; ".join(done) or "nothing"
        raise SERError(
            f"{reason} Done for certain: {so_far}. The same command goes on from there."
        ) from None


def _reason(error: Exception, repo_id: str, endpoint: str) -> str:
    from ser_brain.inference.hub_model import first_line, status_of

    status = status_of(error)
    owner = repo_id.partition("/")[0]
    if status == 401:
        return (
            f"{endpoint} does not accept the token (401): log in again with `hf auth login`, "
            "and check HF_TOKEN, which comes first."
        )
    if status == 403:
        return (
            f"The token may not do this in {repo_id} (403: {first_line(error)}): you need a "
            f"token with write permission and the right to write in {owner!r}; --pr asks only "
            "for the right to read."
        )
    if status == 412:
        return f"Somebody else changed {repo_id} meanwhile (412); nothing was overwritten."
    return f"Publishing to {repo_id} at {endpoint} stopped: {first_line(error).rstrip('.')}."

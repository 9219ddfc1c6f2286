"""Which hub ``HF_ENDPOINT`` names, and how it takes large files.

Imported before ``huggingface_hub``, which reads the environment only once.
"""

from __future__ import annotations

import os
from urllib.parse import SplitResult, urlsplit

from ser_brain.core.errors import SERError

XET_HOST = "huggingface.co"


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
    """The address of the hub.

    Raises
    ------
    SERError
        If it is not an address, or contains a password.
    """
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

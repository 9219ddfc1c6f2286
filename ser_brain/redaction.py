"""Words that are shown or logged, without what lets somebody in."""

from __future__ import annotations

import re

LOGIN = re.compile(r"(?<=://)[^/\s@]+@")  # user and password, of a hub or a proxy
SIGNED = re.compile(r"([?&][\w-]*(?:signature|credential|token|policy)[\w-]*=)[^&\s'\"]+", re.I)
HIDDEN = "***"


def redacted(text: str) -> str:
    """A text in which addresses keep no password and no signature.

    Examples
    --------
    >>> redacted("no answer from https://me:secret@hub.example/api")
    'no answer from https://***@hub.example/api'
    >>> redacted("PUT https://store.example/a?part=1&X-Amz-Signature=0f1e failed")
    'PUT https://store.example/a?part=1&X-Amz-Signature=*** failed'
    """
    return SIGNED.sub(rf"\1{HIDDEN}", LOGIN.sub(f"{HIDDEN}@", text))

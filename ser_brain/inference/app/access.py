"""The guard in front of gradio: it refuses every request that the page itself does not make.

Otherwise a page of somebody else, open in the same browser, could send files here or reach the
server under a name of its own (DNS rebinding), and a request made by hand could name any file
of this machine, or any address, as the recording.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READING = ("GET", "HEAD", "OPTIONS")
API = "/gradio_api/"
SCORE = "queue/join"
SENT = ("upload", SCORE, "cancel", "reset")  # where the page sends to
FETCHED = ("file=", "file/")  # a file by its path
NOT_FETCHED = ("proxy=", "call/")
LARGEST_REQUEST = 65536  # bytes; recordings are uploaded first and only named here
FOREIGN, NOT_UPLOADED = "Not from this page.", "Not a recording that was uploaded here."


class PageGuard:
    """ASGI middleware that answers 403 to requests that the page does not make.

    Parameters
    ----------
    app : ASGIApp
    names : tuple of str
        Host names under which the page is served; if empty, any is accepted.
    uploads : Path
        The folder of the recordings; no file elsewhere is scored or shown.
    """

    def __init__(self, app: ASGIApp, names: tuple[str, ...], uploads: Path):
        self._app = app
        self._names = names
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
            if refusal is None and scope["path"].rstrip("/") == f"{API}{SCORE}":
                body = await _json_body(receive)
                if body is None or not all(map(self._is_uploaded, _paths(body))):
                    refusal = NOT_UPLOADED
                receive = _again(body, receive)
            if refusal is not None:
                await PlainTextResponse(refusal, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, method: str, path: str, headers: Headers) -> str | None:
        """Why a request is refused; None if it is accepted."""
        host = headers.get("host", "")
        if self._names and urlsplit(f"//{host}").hostname not in self._names:
            return FOREIGN
        asked = path.removeprefix(API) if path.startswith(API) else None
        if method in READING:
            if asked is None or not asked.startswith(FETCHED + NOT_FETCHED):
                return None
            file = asked[len(FETCHED[0]) :]
            allowed = asked.startswith(FETCHED) and self._is_uploaded(file)
            return None if allowed else NOT_UPLOADED
        # Every browser says from which page a request that sends something comes.
        if not host or urlsplit(headers.get("origin", "")).netloc != host:
            return FOREIGN
        if asked is None or asked.rstrip("/") not in SENT:
            return "The page does not send anything here."
        return None

    def _is_uploaded(self, path: object) -> bool:
        return isinstance(path, str) and is_uploaded(path, self._uploads)


def is_uploaded(path: str | Path, uploads: Path) -> bool:
    """Whether a path is a regular file in ``uploads``, reached without links.

    ``uploads`` is absolute and without links.
    """
    try:
        return (
            Path(path).is_relative_to(uploads)
            and os.path.realpath(path) == str(path)
            and stat.S_ISREG(os.lstat(path).st_mode)
        )
    except (OSError, ValueError):  # no file can have such a name
        return False


async def _json_body(receive: Receive) -> object:
    """The JSON of a request; None if it is not JSON, is too long, or was cut off."""
    read = b""
    while True:
        message = await receive()
        read += message.get("body", b"")
        if message["type"] != "http.request" or len(read) > LARGEST_REQUEST:
            return None
        if not message.get("more_body"):
            break
    try:
        return json.loads(read)
    except (ValueError, RecursionError):
        return None


def _paths(body: object) -> Iterator[object]:
    """Every path that a request names, at any depth."""
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "path" in value:
                yield value["path"]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _again(body: object, then: Receive) -> Receive:
    # The body as it was checked, so that gradio cannot read anything else out of it.
    waiting: list[Message] = [{"type": "http.request", "body": json.dumps(body).encode()}]

    async def receive() -> Message:
        return waiting.pop() if waiting else await then()

    return receive

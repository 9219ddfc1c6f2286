"""The web server: gradio's page behind a guard, and an end that deletes the recordings.

The guard refuses every request that the page itself does not make. Otherwise a page of somebody
else, open in the same browser, could send files here or reach the server under a name of its
own (DNS rebinding), and a request made by hand could name any file of this machine, or any
address, as the recording.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Timer
from types import FrameType
from urllib.parse import urlsplit

import gradio
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ser_brain.core.log import get_logger
from ser_brain.inference.app import live
from ser_brain.inference.app.page import build, is_uploaded, theme
from ser_brain.inference.recognizer import EmotionRecognizer

LARGEST_FILE = "500mb"
END_S = 10  # a server that does not end by itself is killed after this

READING = ("GET", "HEAD", "OPTIONS")
API = "/gradio_api/"
SCORE = "queue/join"
SENT = ("upload", SCORE, "cancel", "reset")  # where the page sends to
LIVE = [f"{live.PATH}{name}" for name in live.SENT]
FETCHED = ("file=", "file/")  # a file by its path
NOT_FETCHED = ("proxy=", "call/")
LARGEST_REQUEST = 65536  # bytes; recordings are uploaded first and only named here
FOREIGN, NOT_UPLOADED = "Not from this page.", "Not a recording that was uploaded here."

# gradio's page consists of inline scripts and styles; recordings are blobs, figures data.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "media-src 'self' data: blob:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'self'"
)


def web_server(
    recognizer: EmotionRecognizer, uploads: TemporaryDirectory, names: tuple[str, ...]
) -> PageServer:
    """The server of the page, ready to run.

    Parameters
    ----------
    uploads : tempfile.TemporaryDirectory
        Where gradio keeps recordings; removed when the server ends.
    names : tuple of str
        Host names under which the page may be requested; if empty, under any.
    """

    @contextlib.asynccontextmanager
    async def deleting(app: FastAPI) -> AsyncIterator[None]:
        with uploads:  # before uvicorn passes the signal on, which may end the process
            yield

    ending, folder = Event(), Path(uploads.name)
    page = build(recognizer, ending, folder)
    routes = live.LiveView(recognizer, ending).routes
    app = gradio.mount_gradio_app(
        FastAPI(lifespan=deleting, openapi_url=None, routes=routes),
        page,
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        max_file_size=LARGEST_FILE,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        theme=theme(),
    )
    # launch() does this and mounting does not: until then gradio accepts any path as uploaded.
    page.has_launched = page.is_running = True
    config = uvicorn.Config(
        PageGuard(app, names, folder),
        log_level="warning",
        headers=[("Content-Security-Policy", POLICY), ("Referrer-Policy", "no-referrer")],
        timeout_graceful_shutdown=1,  # open pages keep a connection open
    )
    return PageServer(config, ending, uploads)


class PageServer(uvicorn.Server):
    """A server that sets ``ending`` on Ctrl-C and removes ``uploads`` in any case."""

    def __init__(self, config: uvicorn.Config, ending: Event, uploads: TemporaryDirectory):
        super().__init__(config)
        self._ending = ending
        self._uploads = uploads

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; requests that are cut off from now on are not reported as errors."""
        if not self._ending.is_set():
            self._ending.set()
            # A thread that is busy in a library cannot be stopped, and would be waited for.
            end = Timer(END_S, self._kill, [sig])
            end.daemon = True
            end.start()
        get_logger("uvicorn.error").setLevel("CRITICAL")
        super().handle_exit(sig, frame)

    def _kill(self, sig: int) -> None:
        self._uploads.cleanup()
        os._exit(128 + sig)


class PageGuard:
    """ASGI middleware that answers 403 to requests that the page does not make.

    ``names`` are the host names under which the page is served (if empty, any is accepted), and
    no file outside of ``uploads`` is scored or shown.
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
        if path in LIVE:
            return None
        if asked is None or asked.rstrip("/") not in SENT:
            return "The page does not send anything here."
        return None

    def _is_uploaded(self, path: object) -> bool:
        return isinstance(path, str) and is_uploaded(path, self._uploads)


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

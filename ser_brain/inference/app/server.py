"""Serving the page on this machine, and leaving nothing behind."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import webbrowser
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from threading import Event, Timer
from types import FrameType

import gradio
import uvicorn
from fastapi import FastAPI

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.inference.app.access import OwnPage
from ser_brain.inference.app.page import build, theme
from ser_brain.inference.recognizer import EmotionRecognizer

LARGEST_FILE = "500mb"
END_S = 10  # after which a server that was told to end is ended

# gradio's page is made of inline scripts and styles; recordings are blobs, pictures data.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "media-src 'self' data: blob:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'self'"
)


class PageServer(uvicorn.Server):
    """A server that on Ctrl-C lets go of the recordings it works on.

    Parameters
    ----------
    config : uvicorn.Config
    ending : threading.Event
        Set by the signal.
    uploads : tempfile.TemporaryDirectory
        Removed in any case.
    """

    def __init__(self, config: uvicorn.Config, ending: Event, uploads: TemporaryDirectory):
        super().__init__(config)
        self._ending = ending
        self._uploads = uploads

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; what is cut off from now on is meant to be, and not reported."""
        if not self._ending.is_set():
            self._ending.set()
            # A thread that is busy in a library cannot be stopped, and would be waited for.
            end = Timer(END_S, self._cut_off, [sig])
            end.daemon = True
            end.start()
        get_logger("uvicorn.error").setLevel("CRITICAL")
        super().handle_exit(sig, frame)

    def _cut_off(self, sig: int) -> None:
        self._uploads.cleanup()
        os._exit(128 + sig)


def web_server(
    recognizer: EmotionRecognizer, uploads: TemporaryDirectory, names: tuple[str, ...]
) -> PageServer:
    """The server of the page, ready to run.

    Parameters
    ----------
    recognizer : EmotionRecognizer
    uploads : tempfile.TemporaryDirectory
        What gradio was told to keep recordings in; removed when the server ends.
    names : tuple of str
        Host names the page is asked for under; none where any may be.
    """

    @contextlib.asynccontextmanager
    async def deleting(app: FastAPI) -> AsyncIterator[None]:
        with uploads:  # before uvicorn passes the signal on, which may end the process
            yield

    ending, folder = Event(), Path(uploads.name)
    page = build(recognizer, ending, folder)
    app = gradio.mount_gradio_app(
        FastAPI(lifespan=deleting, openapi_url=None),
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
    # What launch() does and mounting does not: until then gradio takes any path as uploaded.
    page.has_launched = page.is_running = True
    config = uvicorn.Config(
        OwnPage(app, names, folder),
        log_level="warning",
        headers=[("Content-Security-Policy", POLICY), ("Referrer-Policy", "no-referrer")],
        timeout_graceful_shutdown=1,  # open pages keep a connection open
    )
    return PageServer(config, ending, uploads)


logger = get_logger(__name__)
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
SWITCHES = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}


def require_gradio() -> None:
    """Stop if the packages of the page are missing.

    Raises
    ------
    SERError
        With what installs them.
    """
    if importlib.util.find_spec("gradio") is None:
        raise SERError(
            "The page needs gradio, which is not installed: pip install 'ser-recipes[app]'."
        )


def listen(host: str, port: int) -> socket.socket:
    """Take the port; port 0 takes any that is free.

    Raises
    ------
    SERError
        If it cannot be had.
    """
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise SERError(
            f"Cannot serve on {host}, port {port}: {reason}. Give another --port, or 0 for any "
            "that is free."
        ) from None


def serve(recognizer: EmotionRecognizer, taken: socket.socket, open_browser: bool) -> None:
    """Serve until Ctrl-C; then delete what was uploaded.

    Parameters
    ----------
    recognizer : EmotionRecognizer
    taken : socket.socket
        As :func:`listen` gives it.
    open_browser : bool
        Also show the page.
    """
    # Without links in its path, so that what lies in it is told from what is linked into it.
    uploads = TemporaryDirectory(prefix="ser_app_", dir=os.path.realpath(gettempdir()))
    os.environ.update(SWITCHES, GRADIO_TEMP_DIR=uploads.name)  # read when gradio is imported

    host, port = taken.getsockname()[:2]
    names = THIS_MACHINE if host in THIS_MACHINE else ()
    server = web_server(recognizer, uploads, names)
    logger.info(f"Page: http://{host}:{port}  (Ctrl-C ends it)")
    if host not in THIS_MACHINE:
        logger.warning("Who reaches this machine can use the page: it has no password.")
    if open_browser:
        webbrowser.open(f"http://{host}:{port}")
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[taken])

"""The page as a web server that asks for nothing from outside.

No analytics, no share links, no fonts of others; and the policy sent with every answer lets the
browser speak to this server alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Timer
from types import FrameType

import gradio
import uvicorn
from fastapi import FastAPI

from ser_brain.app.own_page import OwnPage
from ser_brain.app.page import build, theme
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.log import get_logger

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

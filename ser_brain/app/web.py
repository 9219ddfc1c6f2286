"""The page as a web server that asks for nothing from outside.

No analytics, no share links, no fonts of others; and the policy sent with every answer lets the
browser speak to this server alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from tempfile import TemporaryDirectory
from threading import Event
from types import FrameType

import gradio
import uvicorn
from fastapi import FastAPI

from ser_brain.app.own_page import OwnPage
from ser_brain.app.page import build, theme
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.log import get_logger

LARGEST_FILE = "500mb"
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
    """

    def __init__(self, config: uvicorn.Config, ending: Event):
        super().__init__(config)
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; what is cut off from now on is meant to be, and not reported."""
        self._ending.set()
        get_logger("uvicorn.error").setLevel("CRITICAL")
        super().handle_exit(sig, frame)


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

    ending = Event()
    app = gradio.mount_gradio_app(
        FastAPI(lifespan=deleting, openapi_url=None),
        build(recognizer, ending),
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
    config = uvicorn.Config(
        OwnPage(app, names),
        log_level="warning",
        headers=[("Content-Security-Policy", POLICY), ("Referrer-Policy", "no-referrer")],
        timeout_graceful_shutdown=1,  # open pages keep a connection open
    )
    return PageServer(config, ending)

"""The web server: gradio's page behind a guard, and an end that deletes the recordings."""

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

from ser_brain.core.log import get_logger
from ser_brain.inference.app.access import PageGuard
from ser_brain.inference.app.page import build, theme
from ser_brain.inference.recognizer import EmotionRecognizer

LARGEST_FILE = "500mb"
END_S = 10  # a server that does not end by itself is killed after this

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
    recognizer : EmotionRecognizer
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
    """A server that stops scoring on Ctrl-C.

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

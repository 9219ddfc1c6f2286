"""Serving the page on this machine, and leaving nothing behind.

This module runs before gradio is imported, which reads its settings from the environment then.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import webbrowser
from tempfile import TemporaryDirectory, gettempdir

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.inference.recognizer import EmotionRecognizer

logger = get_logger(__name__)
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
SWITCHES = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}


def require_gradio() -> None:
    """Stop if the packages of the page are missing."""
    if importlib.util.find_spec("gradio") is None:
        raise SERError(
            "The page needs gradio, which is not installed: pip install 'ser-recipes[app]'."
        )


def listen(host: str, port: int) -> socket.socket:
    """Open the port; port 0 stands for any that is free."""
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise SERError(
            f"Cannot serve on {host}, port {port}: {reason}. Give another --port, or 0 for any "
            "free port."
        ) from None


def serve(recognizer: EmotionRecognizer, listening: socket.socket, open_browser: bool) -> None:
    """Serve until Ctrl-C on a socket from :func:`listen`, then delete what was uploaded."""
    # Without links in its path, so that a file in it can be told from a link out of it.
    uploads = TemporaryDirectory(prefix="ser_app_", dir=os.path.realpath(gettempdir()))
    os.environ.update(SWITCHES, GRADIO_TEMP_DIR=uploads.name)
    from ser_brain.inference.app.web import web_server

    host, port = listening.getsockname()[:2]
    server = web_server(recognizer, uploads, THIS_MACHINE if host in THIS_MACHINE else ())
    logger.info(f"Page: http://{host}:{port}  (Ctrl-C ends it)")
    if host not in THIS_MACHINE:
        logger.warning("The page has no password: whoever reaches this machine can use it.")
    if open_browser:
        webbrowser.open(f"http://{host}:{port}")
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])

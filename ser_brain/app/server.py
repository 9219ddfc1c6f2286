"""Serving the page on this machine, and leaving nothing behind."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import webbrowser
from tempfile import TemporaryDirectory, gettempdir

from ser_brain.errors import SERError
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.log import get_logger

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
    from ser_brain.app.web import web_server

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

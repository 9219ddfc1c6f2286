"""Logging: one format, to standard error, from SpeechBrain's and our own modules alike."""

from __future__ import annotations

import logging
from pathlib import Path

get_logger = logging.getLogger
OURS = ("ser_brain", "data_prep", "recipes", "train")


def show_progress(file: str | Path | None = None) -> None:
    """Let a command print its log lines: message only, warnings marked.

    Called by commands, never by the library, so that importing it changes no logging.

    Parameters
    ----------
    file : str or Path, optional
        Also append the lines to this file.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if file is not None:
        handlers.append(logging.FileHandler(file, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(_Formatter())
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(logging.WARNING)
    logging.getLogger("speechbrain").setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        if record.levelno >= logging.WARNING:
            return f"{record.levelname.lower()}: {message}"
        return message

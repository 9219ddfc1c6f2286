"""Logging: one format, to standard error, from SpeechBrain's and our own modules alike."""

from __future__ import annotations

import logging
from pathlib import Path

from ser_brain.redaction import shown, shown_message

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
        handler.addFilter(_is_ours_or_serious)
    root = logging.getLogger()
    for old in root.handlers:
        if isinstance(old.formatter, _Formatter):
            old.close()
    root.handlers[:] = handlers
    root.setLevel(logging.INFO)


def take_over(library: str) -> None:
    """Let a library's lines come by these handlers alone, not by its own too, as they are."""
    logging.getLogger(library).handlers.clear()


def _is_ours_or_serious(record: logging.LogRecord) -> bool:
    """Other libraries' lines only from warnings on."""
    return record.levelno >= logging.WARNING or record.name.split(".")[0] in OURS


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = shown(super().format(record))
        if record.levelno >= logging.WARNING:
            return f"{record.levelname.lower()}: {message}"
        return message

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, logging's name
        return shown_message(super().formatMessage(record))  # a traceback below stays as it is

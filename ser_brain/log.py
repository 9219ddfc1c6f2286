"""Logging: one format, to standard error, from SpeechBrain's and our own modules alike."""

from __future__ import annotations

import logging

get_logger = logging.getLogger


def show_progress(level: int = logging.INFO) -> None:
    """Let a command print its log lines: message only, warnings marked.

    Called by commands, never by the library, so that importing it changes no logging.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        if record.levelno >= logging.WARNING:
            return f"{record.levelname.lower()}: {message}"
        return message

"""Logging: one format, to standard error, from SpeechBrain's and our own modules alike."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from ser_brain.core.errors import shown, shown_message

T = TypeVar("T")
get_logger = logging.getLogger
SILENCE_S = 60.0  # the longest that long work without a bar says nothing
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


class Progress:
    """A line a minute about long work, in the log of a command that shows no bar.

    Parameters
    ----------
    what : str
        Is done, and
    unit : str
        to what, in the plural.
    total : float
        How many of these there are.
    """

    def __init__(self, what: str, unit: str, total: float) -> None:
        self.what, self.unit, self.total, self.done = what, unit, total, 0
        self._told = time.monotonic()

    def add(self, count: float = 1) -> None:
        """So many more are done."""
        self.done += count
        if time.monotonic() - self._told >= SILENCE_S:
            self._told = time.monotonic()
            done = f"{min(self.done, self.total):,.0f} of {self.total:,.0f} {self.unit}"
            get_logger(__name__).info(f"{self.what}: {done}")


def told(items: Iterable[T], what: str, unit: str, total: int) -> Iterator[T]:
    """Pass items on, with the lines of :class:`Progress` where no terminal shows a bar."""
    if sys.stderr.isatty():
        yield from items
        return
    progress = Progress(what, unit, total)
    for item in items:
        yield item
        progress.add()


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

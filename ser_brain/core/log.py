"""Logging: one format, to standard error, from SpeechBrain's and our own modules alike."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from ser_brain.core.errors import one_line, shown, shown_message

T = TypeVar("T")
get_logger = logging.getLogger
SILENCE_S = 60.0  # between two progress lines
OURS = ("ser_brain", "data_prep", "recipes", "train")


def show_progress(file: str | Path | None = None) -> None:
    """Print log lines to standard error, and append them to a file if one is given.

    Only commands call this: importing the library must not change anybody's logging.
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
    """Logs one line a minute about long work: ``what: 20 of 100 unit``."""

    def __init__(self, what: str, unit: str, total: float) -> None:
        self.what, self.unit, self.total, self.done = what, unit, total, 0
        self._logged_at = time.monotonic()

    def add(self, count: float = 1) -> None:
        """Count finished items."""
        self.done += count
        if time.monotonic() - self._logged_at >= SILENCE_S:
            self._logged_at = time.monotonic()
            done = f"{min(self.done, self.total):,.0f} of {self.total:,.0f} {self.unit}"
            get_logger(__name__).info(f"{self.what}: {done}")


def with_progress(items: Iterable[T], what: str, unit: str, total: int) -> Iterator[T]:
    """Yield items; show a bar on a terminal, and elsewhere log :class:`Progress` lines."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, one_line(what), total, unit=unit)
        return
    progress = Progress(what, unit, total)
    for item in items:
        yield item
        progress.add()


def take_over(library: str) -> None:
    """Remove a library's own handlers: ours hide secrets and do not print a line twice."""
    logging.getLogger(library).handlers.clear()


def _is_ours_or_serious(record: logging.LogRecord) -> bool:
    # Of other libraries only warnings and errors.
    return record.levelno >= logging.WARNING or record.name.split(".")[0] in OURS


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = shown(super().format(record))
        if record.levelno >= logging.WARNING:
            return f"{record.levelname.lower()}: {message}"
        return message

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        # The message alone: a traceback, which format() appends, keeps its line breaks.
        return shown_message(super().formatMessage(record))

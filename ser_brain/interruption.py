"""Ctrl-C and SIGTERM: both end a command where it stands, in order."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

CTRL_C, TERMINATED = 130, 143  # exit codes, as shells count them: 128 + the signal


class Terminated(KeyboardInterrupt):
    """SIGTERM: what cleans up after Ctrl-C cleans up after it."""


@contextlib.contextmanager
def sigterm_raises() -> Iterator[None]:
    """Let SIGTERM raise :class:`Terminated` in the block, unless it is ignored."""
    before = signal.getsignal(signal.SIGTERM)
    if before == signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code(stop: KeyboardInterrupt) -> int:
    """What a command that was stopped ends with.

    Examples
    --------
    >>> exit_code(Terminated()), exit_code(KeyboardInterrupt())
    (143, 130)
    """
    return TERMINATED if isinstance(stop, Terminated) else CTRL_C


def _raise(signal_number: int, frame: FrameType | None) -> None:
    raise Terminated

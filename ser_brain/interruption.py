"""Ctrl-C and SIGTERM: both end a command where it stands, in order."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType, SimpleNamespace

CTRL_C, TERMINATED = 130, 143  # exit codes, as shells count them: 128 + the signal
AGAIN_S = 0.02  # until a stop that was lost is sent again


class Terminated(KeyboardInterrupt):
    """SIGTERM: what cleans up after Ctrl-C cleans up after it."""


@contextlib.contextmanager
def sigterm_raises() -> Iterator[None]:
    """Let SIGTERM raise :class:`Terminated` in the block, as Ctrl-C raises KeyboardInterrupt.

    Either ends the block wherever it falls: one that is lost in a destructor is sent again, and
    an error that a library makes of one is told as what it was. What is ignored stays so.
    """
    met: list[KeyboardInterrupt] = []

    def stop(number: int, frame: FrameType | None) -> None:
        met.append(Terminated() if number == signal.SIGTERM else KeyboardInterrupt())
        raise met[-1]

    numbers = (signal.SIGINT, signal.SIGTERM)
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        with _sent_again():
            yield
    except Exception:
        if met:
            raise met[-1] from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _sent_again() -> Iterator[None]:
    """Send a stop again that Python could raise to nobody, as in ``__del__``."""
    before, waiting = sys.unraisablehook, []

    def hook(lost: SimpleNamespace) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        number = signal.SIGTERM if issubclass(lost.exc_type, Terminated) else signal.SIGINT
        waiting.append(threading.Timer(AGAIN_S, send_here, [number]))
        waiting[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in waiting:
            timer.cancel()


def send_here(number: int) -> None:
    """Send a signal to this process, from any of its threads."""
    if os.name == "posix":
        os.kill(os.getpid(), number)
    else:  # where os.kill ends the process at once, whoever handles the signal
        _thread.interrupt_main(number)


def exit_code(stop: KeyboardInterrupt) -> int:
    """What a command that was stopped ends with.

    Examples
    --------
    >>> exit_code(Terminated()), exit_code(KeyboardInterrupt())
    (143, 130)
    """
    return TERMINATED if isinstance(stop, Terminated) else CTRL_C

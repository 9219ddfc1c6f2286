"""Ctrl-C and SIGTERM: both end a command where it stands, in order."""

from __future__ import annotations

import _thread
import argparse
import ast
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace

from ser_brain.core.errors import SERError, bad_value

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


# What argparse says, and what we do.
PLAINER = {
    "ignored explicit argument": "it takes no value; found",
    "expected one argument": "it needs a value",
    "expected at least one argument": "it needs a value",
    "the following arguments are required": "These arguments are missing",
}


class Parser(argparse.ArgumentParser):
    """A parser that raises :class:`SERError` where argparse prints its usage and exits.

    Attributes
    ----------
    passes_on : bool
        Keep unknown arguments as ``rest`` for another program, instead of refusing them.
    """

    passes_on = False

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> None:
        """Raise what argparse would print, in plainer words."""
        for theirs, ours in PLAINER.items():
            message = message.replace(theirs, ours)
        raise SERError(f"{message}. See {self.prog} --help.")

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        """Parse all arguments; an unknown one is an error that names the nearest."""
        empty = [a for a in arguments if not a or (a.startswith("--") and a.endswith("="))]
        if empty and not self.passes_on:  # a path that is empty would be the working folder
            named = f"{empty[0]} has no value" if empty[0] else "An argument is empty"
            raise SERError(f"{named}; is a variable of the shell not set?")
        parsed, unknown = self.parse_known_args(arguments)
        if self.passes_on:
            parsed.rest = unknown
            return parsed
        for argument in unknown:
            if not argument.startswith("-"):
                raise SERError(f"Unexpected argument {argument!r}. See {self.prog} --help.")
            known = [flag for action in self._actions for flag in action.option_strings]
            raise bad_value("argument", argument.partition("=")[0], known)
        return parsed


def title_of(path: Path) -> str:
    """First line of a Python file's docstring, without importing it."""
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError) as error:
        return f"(cannot be read: {error})"
    return (text or "").partition("\n")[0]

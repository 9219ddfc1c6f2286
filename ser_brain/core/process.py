"""Running a command: its arguments, its exit code, and an orderly end on Ctrl-C or SIGTERM."""

from __future__ import annotations

import _thread
import argparse
import ast
import atexit
import contextlib
import errno
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import get_logger

logger = get_logger(__name__)
DONE, MISTAKE = 0, 2
CTRL_C, TERMINATED = 130, 143  # as shells count them: 128 + the signal
RESEND_S = 0.02  # wait before a lost signal is sent again


def exit_code_of(
    command: Callable[[], int | None],
    next_step: str,
    explain: Callable[[Exception], int | None] = lambda error: None,
) -> int:
    """Run a command and log why it stopped, as one line where the reason is known.

    The exit code is the command's own, 2 for a mistake of the user or a full disk, 130 for
    Ctrl-C and 143 for SIGTERM. ``next_step`` is the sentence that follows "Interrupted.";
    ``explain`` logs an error of another kind and gives its exit code, or None to raise it.
    """
    atexit.register(gc.freeze)  # else the interpreter's end looks for cycles, for a second
    try:
        with sigterm_raises():
            return command() or DONE
    except SERError as error:
        logger.error(error)
        return MISTAKE
    except BrokenPipeError:  # the reader of our output (head, less) has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt as stop:
        logger.error(f"Interrupted. {next_step}")
        return TERMINATED if isinstance(stop, Terminated) else CTRL_C
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            logger.error(f"No space left on the disk ({error.filename or 'while writing'}).")
            return MISTAKE
        code = explain(error)
        if code is None:
            raise
        return code


class Terminated(KeyboardInterrupt):
    """SIGTERM; whatever cleans up after Ctrl-C also cleans up after it."""


@contextlib.contextmanager
def sigterm_raises() -> Iterator[None]:
    """Raise :class:`Terminated` in the block on SIGTERM, as Ctrl-C raises KeyboardInterrupt.

    Both end the block wherever they arrive: a signal that Python could not raise (in a
    destructor) is sent again, and an error into which a library turned one is replaced by it.
    A signal that the process ignores stays ignored.
    """
    received: list[KeyboardInterrupt] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(Terminated() if number == signal.SIGTERM else KeyboardInterrupt())
        raise received[-1]

    numbers = (signal.SIGINT, signal.SIGTERM)
    handled = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in handled}
    try:
        with _lost_signals_sent_again():
            yield
    except Exception:
        if received:
            raise received[-1] from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _lost_signals_sent_again() -> Iterator[None]:
    """Python only prints an exception that is raised in ``__del__``: send the signal again."""
    before, timers = sys.unraisablehook, []

    def hook(lost: SimpleNamespace) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        number = signal.SIGTERM if issubclass(lost.exc_type, Terminated) else signal.SIGINT
        timers.append(threading.Timer(RESEND_S, send_here, [number]))
        timers[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in timers:
            timer.cancel()


def send_here(number: int) -> None:
    """Send a signal to this process, from any of its threads."""
    if os.name == "posix":
        os.kill(os.getpid(), number)
    else:  # on Windows os.kill ends the process at once, and no handler runs
        _thread.interrupt_main(number)


# argparse's wording -> ours.
PLAINER = {
    "ignored explicit argument": "it takes no value; found",
    "expected one argument": "it needs a value",
    "expected at least one argument": "it needs a value",
    "the following arguments are required": "These arguments are missing",
}


class Parser(argparse.ArgumentParser):
    """A parser that raises :class:`SERError` where argparse prints its usage and exits."""

    passes_on = False  # keep unknown arguments as ``rest``, for another program

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> None:
        """Raise argparse's message in plainer words."""
        for theirs, ours in PLAINER.items():
            message = message.replace(theirs, ours)
        raise SERError(f"{message}. See {self.prog} --help.")

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        """Parse all arguments; the error for an unknown one suggests the most similar."""
        empty = [a for a in arguments if not a or (a.startswith("--") and a.endswith("="))]
        if empty and not self.passes_on:  # an empty path would mean the working folder
            named = f"{empty[0]} has no value" if empty[0] else "An argument is empty"
            raise SERError(f"{named}; is a shell variable not set?")
        settings = []
        if self.passes_on:  # argparse takes those with a space for values of the option before
            settings = [a for a in arguments if "=" in a and self._is_unknown(a)]
            arguments = [a for a in arguments if a not in settings]
        try:
            parsed, unknown = self.parse_known_args(arguments)
        except SERError:
            # A misspelt option is why another is missing, so it is reported first.
            for argument in [] if self.passes_on else arguments:
                if argument != "--" and self._is_unknown(argument):
                    raise self._unknown(argument) from None
            raise
        if self.passes_on:
            parsed.rest = unknown + settings
            return parsed
        for argument in unknown:
            if not argument.startswith("-"):
                raise SERError(f"Unexpected argument {argument!r}. See {self.prog} --help.")
            raise self._unknown(argument)
        return parsed

    def _is_unknown(self, argument: str) -> bool:
        name = argument.partition("=")[0]
        return name.startswith("--") and name not in self._option_string_actions

    def _unknown(self, option: str) -> SERError:
        return bad_value("argument", option.partition("=")[0], self._option_string_actions)


def title_of(path: Path) -> str:
    """First line of a Python file's docstring, without importing it."""
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError) as error:
        return f"(cannot be read: {error})"
    return (text or "").partition("\n")[0]

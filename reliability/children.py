"""Jobs in forked copies of a process that has imported everything: a try costs no start-up."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

GRACE_S = 5.0  # for the processes that a job started; less than they need for what they do


@dataclass(frozen=True)
class End:
    """How a job ended.

    Attributes
    ----------
    code : int
        As of a shell: 128 + the signal where one ended it.
    said : str
        On both outputs.
    seconds : float
        Of the job alone.
    is_alone : bool
        Whether every process that it started has ended too, ``GRACE_S`` later at the most.
    """

    code: int
    said: str
    seconds: float
    is_alone: bool


def run(
    job: Callable[[], int], log: Path, stop: int | None = None, after_s: float = 0.0
) -> End:
    """Run a job in a forked process.

    Parameters
    ----------
    job : callable
        Gives an exit code.
    log : Path
        Takes what it says.
    stop : int, optional
        A signal to send it, if it has not ended by then.
    after_s : float
        When.
    """
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be(job, log)
    os.setpgid(pid, pid)  # whatever it starts is known by that
    try:
        status = _wait(pid, stop, began + after_s)
        seconds = time.monotonic() - began
        is_alone = _is_empty(pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    said = log.read_text(encoding="utf-8", errors="replace")
    return End(code if code >= 0 else 128 - code, said, seconds, is_alone)


def _wait(pid: int, stop: int | None, until: float) -> int:
    """Wait for a process, which gets a signal at some time; how it ended."""
    while stop is not None and time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.001)
    if stop is not None:
        os.kill(pid, stop)
    return os.waitpid(pid, 0)[1]


def _is_empty(group: int) -> bool:
    """Wait until no process is in a group; False if some stay."""
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def _be(job: Callable[[], int], log: Path) -> None:
    """Be the forked process; does not return."""
    code = 1
    try:
        os.setpgid(0, 0)  # here too: whichever of the two comes first
        signal.signal(signal.SIGINT, signal.default_int_handler)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1) for n in (1, 2))
        code = job()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)

"""Runs jobs in forks of a process that has imported everything, so a try has no start-up."""

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
    """How a job ended."""

    code: int  # as of a shell: 128 + the signal where one ended it
    said: str  # on both outputs
    seconds: float  # of the job alone
    is_alone: bool  # whether all processes it started have ended, ``GRACE_S`` later at most


def run(
    job: Callable[[], int], log: Path, stop: int | None = None, after_s: float = 0.0
) -> End:
    """Run a job, which returns an exit code, in a forked process; its output goes to ``log``.

    After ``after_s`` it gets the signal ``stop``, if any, unless it has ended.
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
    """Wait for a process, which gets a signal at a given time; returns how it ended."""
    while stop is not None and time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.001)
    if stop is not None:
        os.kill(pid, stop)
    return os.waitpid(pid, 0)[1]


def _is_empty(group: int) -> bool:
    """Wait until a process group is empty; False if some process stays."""
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def _be(job: Callable[[], int], log: Path) -> None:
    """Act as the forked process; does not return."""
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

"""Jobs in forked copies of a process that has imported everything: a try costs no start-up."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


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
    """

    code: int
    said: str
    seconds: float


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
    if stop is not None:
        while time.monotonic() - began < after_s:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return _end(status, log, began)
            time.sleep(0.001)
        os.kill(pid, stop)
    _, status = os.waitpid(pid, 0)
    return _end(status, log, began)


def _end(status: int, log: Path, began: float) -> End:
    code = os.waitstatus_to_exitcode(status)
    said = log.read_text(encoding="utf-8", errors="replace")
    return End(code if code >= 0 else 128 - code, said, time.monotonic() - began)


def _be(job: Callable[[], int], log: Path) -> None:
    """Be the forked process; does not return."""
    code = 1
    try:
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

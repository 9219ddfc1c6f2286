"""Processes of train.py, one for each part of a protocol, side by side on several devices."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import ser_brain
from ser_brain.errors import SERError
from ser_brain.files import inside

TRAIN = Path(ser_brain.__file__).parents[1] / "train.py"
OUTPUT = "output.txt"  # what train.py said, in the run folder
SHOWN_LINES = 3
GRACE_S = 30.0  # for a process to end in order


def run_parts(
    commands: Mapping[Path, list[str]],
    slots: Sequence[str | None],
    finished: Callable[[Path], None],
) -> None:
    """Run train.py once for each part.

    Parameters
    ----------
    commands : mapping
        Run folder -> arguments of train.py. What it says goes to ``output.txt`` there.
    slots : sequence of str or None
        A device for each process that may run at a time; None leaves the choice to it.
    finished : callable
        Called with each run folder whose process has come to its end.

    Raises
    ------
    SERError
        If a part fails; those beside it are stopped, and go on when the command is repeated.
        So they are when this process ends, however it ends.
    """
    if not TRAIN.is_file():
        raise SERError(f"No train.py at {TRAIN}; ser folds runs in a checkout of the project.")
    free, running, stopping = deque(slots), [], threading.Event()

    def run(folder: Path) -> Path:
        device = free.popleft()
        process = _start(commands[folder], folder, device, len(slots))
        running.append(process)
        if stopping.is_set():
            process.terminate()
        code = process.wait()
        running.remove(process)
        free.append(device)
        if code:
            raise _failure(folder / OUTPUT, code)
        return folder

    with ThreadPoolExecutor(len(slots)) as pool:
        waiting = [pool.submit(run, folder) for folder in commands]
        try:
            for future in as_completed(waiting):
                finished(future.result())
        except BaseException:
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            _stop(list(running))
            raise


def _start(
    arguments: list[str], folder: Path, device: str | None, count: int
) -> subprocess.Popen:
    command = [sys.executable, "-m", "ser_brain.fold_child", str(TRAIN), *arguments]
    command += [f"--device={device}"] if device is not None else []
    threads = str(max(1, (os.cpu_count() or 1) // count))
    inside(folder.parent, folder.name).mkdir(parents=True, exist_ok=True)
    with open(inside(folder, OUTPUT), "a", encoding="utf-8") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # by its end the process knows of ours
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"OMP_NUM_THREADS": threads, **os.environ} if count > 1 else None,
        )


def _stop(processes: Sequence[subprocess.Popen]) -> None:
    """End processes in order, and those that do not by force."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + GRACE_S
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()


def _failure(output: Path, code: int) -> SERError:
    said = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = " / ".join(line.removeprefix("error: ") for line in said[-SHOWN_LINES:])
    if code == 2 and said:
        last = said[-1].removeprefix("error: ")
    return SERError(
        f"{output.parent} stopped with exit code {code}: {last} (all of it: {output}). "
        "The same command goes on with what is not finished."
    )

"""The processes of ``ser folds``: train.py once for each part, each in its own process.

Where the system can fork, a process is a copy of one that has imported everything and done
nothing (:mod:`multiprocessing`'s fork server), so a part begins at once, and what one part does
to its process never reaches another. The processes end when ``ser folds`` does.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import runpy
import shutil
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import BinaryIO

from ser_brain.core.errors import SERError
from ser_brain.core.files import inside
from ser_brain.core.process import MISTAKE, send_here
from ser_brain.training.config import HOME

TRAIN = HOME / "train.py"
FORKS = "forkserver" in multiprocessing.get_all_start_methods()  # all systems but Windows
CONTEXT = multiprocessing.get_context("forkserver" if FORKS else "spawn")
PRELOADED = "ser_brain.training.preloaded"
# Else glibc returns large arrays to the system, and parts get them back page by page.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}
OUTPUT = "output.txt"  # what train.py prints, in the run folder
# Lines of it that are passed on.
PROGRESS = re.compile(r"epoch \d+/|warning: |[^:]+: [\d,]+ of [\d,]+ ")
POLL_S = 2.0  # how often the output is read
SHOWN_LINES = 3
GRACE_S = 30.0  # for a process to end in order
CHILD_GRACE_S = 20.0  # for train.py, within it


def start_server() -> None:
    """Start the process that the parts will be copies of, while this one does other things."""
    if CONTEXT.get_start_method() != "forkserver":
        return
    from multiprocessing import forkserver

    CONTEXT.set_forkserver_preload([PRELOADED])
    # It inherits both.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    environment = dict(os.environ)
    os.environ.update({**ALLOCATOR, **environment})
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
        for name in ALLOCATOR.keys() - environment.keys():
            del os.environ[name]


def run_parts(
    commands: Mapping[Path, list[str]],
    slots: Sequence[str | None],
    finished: Callable[[Path], None],
    tell: Callable[[str], None],
    figures: bool = True,
) -> None:
    """Run train.py once for each part.

    Parameters
    ----------
    commands : mapping
        Run folder -> arguments of train.py, whose output goes to ``output.txt`` there.
    slots, tell
        See :func:`ser_brain.training.cross_validation.run_plan`.
    finished : callable
        Called with the run folder of each process that has finished.
    figures : bool
        Draw the figures of their reports.

    Raises
    ------
    SERError
        If a part fails. The other processes are stopped, as they are when this process ends,
        however it ends; the same command continues them.
    """
    waiting, free = deque(commands), deque(slots)
    running: dict[Path, _RunningPart] = {}
    try:
        while waiting or running:
            while waiting and free:
                folder = waiting.popleft()
                running[folder] = _start(
                    commands[folder], folder, free.popleft(), len(slots), figures
                )
                tell(f"{folder.name} begins; its output is in {folder / OUTPUT}")
            connection.wait([part.process.sentinel for part in running.values()], POLL_S)
            for folder, part in list(running.items()):
                code = part.process.exitcode
                part.pass_on(folder.name, tell)
                if code is None:
                    continue
                if code:
                    raise _failure(folder / OUTPUT, code)
                del running[folder]
                free.append(part.device)
                finished(folder)
    except BaseException:
        _stop([part.process for part in running.values()])
        raise


@dataclass
class _RunningPart:
    process: BaseProcess
    device: str | None
    output: BinaryIO  # read as it grows

    def pass_on(self, name: str, tell: Callable[[str], None]) -> None:
        """Tell the progress that was printed since the last call."""
        while (line := self.output.readline()).endswith(b"\n"):
            text = line.decode(errors="replace").rstrip()
            if PROGRESS.match(text):
                tell(f"{name}: {text}")
        self.output.seek(-len(line), os.SEEK_CUR)  # it is not complete


def _start(
    arguments: list[str], folder: Path, device: str | None, count: int, figures: bool
) -> _RunningPart:
    from ser_brain.training.device import available_cpus  # torch: help does without

    arguments = [*arguments, *([f"--device={device}"] if device is not None else [])]
    environment = dict(os.environ)
    if count > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, available_cpus() // count)))
    inside(folder.parent, folder.name).mkdir(parents=True, exist_ok=True)
    path = inside(folder, OUTPUT)
    path.touch()
    output = open(path, "rb")
    output.seek(0, os.SEEK_END)
    args = (str(TRAIN), arguments, str(path), environment, figures)
    process = CONTEXT.Process(target=run_part, args=args)
    process.start()
    return _RunningPart(process, device, output)


def _stop(processes: Sequence[BaseProcess]) -> None:
    """Terminate processes, and kill those that do not end in time."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + GRACE_S
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.exitcode is None:
            process.kill()
            process.join()


def _failure(output: Path, code: int) -> SERError:
    said = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = " / ".join(line.removeprefix("error: ") for line in said[-SHOWN_LINES:])
    if code == MISTAKE and said:
        if [path.name for path in output.parent.iterdir()] == [OUTPUT]:
            shutil.rmtree(output.parent)  # it was refused before it began
        # The part was refused with the option of train.py.
        last = said[-1].removeprefix("error: ").replace("--output_folder", "--out")
        return SERError(f"{output.parent.name}: {last}")
    return SERError(
        f"{output.parent} stopped with exit code {code}: {last} (all output: {output}). The "
        "same command continues with what is not finished."
    )


# -- in the process of a part


def run_part(
    script: str,
    arguments: Sequence[str],
    output: str,
    environment: Mapping[str, str],
    figures: bool,
) -> None:
    """Run a part, and exit with its code.

    Parameters
    ----------
    script : str
        Path of train.py.
    arguments : sequence of str
        Its command line.
    output : str
        File to which everything that is printed is appended.
    environment : mapping
        All environment variables.
    figures : bool
        Draw the figures of the report.
    """
    with open(output, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # after Ctrl-C, ser folds ends its parts
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    if "torch" in sys.modules and "OMP_NUM_THREADS" in environment:  # read on import only
        sys.modules["torch"].set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).resolve().parent))  # as python SCRIPT does
    sys.exit(runpy.run_path(script)["main"](figures))


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    send_here(signal.SIGTERM)
    time.sleep(CHILD_GRACE_S)
    os._exit(1)

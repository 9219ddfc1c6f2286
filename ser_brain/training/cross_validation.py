"""Folds: running the parts of a protocol.

A part that has finished is not run again; one that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import ser_brain
from ser_brain.core.errors import SERError
from ser_brain.core.files import SUMS, inside, read_json, remove, write_text
from ser_brain.core.lock import NAME, held
from ser_brain.data.corpora import parse_corpora
from ser_brain.evaluation.runs import FOLDS
from ser_brain.training.config import (
    checked_settings,
    find_settings,
    plain_settings,
    read_settings,
    require_experiment,
)
from ser_brain.training.run import RECORD, RunRecord, is_finished

TRAIN = Path(ser_brain.__file__).parents[1] / "train.py"
OUTPUT = "output.txt"  # what train.py said, in the run folder
PROGRESS = re.compile(
    r"epoch \d+/|warning: |[^:]+: [\d,]+ of [\d,]+ "
)  # lines that are passed on
LOOK_S = 2.0  # from one look at what a process says to the next
SHOWN_LINES = 3
GRACE_S = 30.0  # for a process to end in order


def run_parts(
    commands: Mapping[Path, list[str]],
    slots: Sequence[str | None],
    finished: Callable[[Path], None],
    tell: Callable[[str], None],
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
    tell : callable
        Given a line when a part begins, and what train.py says of its progress.

    Raises
    ------
    SERError
        If a part fails; those beside it are stopped, and go on when the command is repeated.
        So they are when this process ends, however it ends.
    """
    if not TRAIN.is_file():
        raise SERError(f"No train.py at {TRAIN}; ser folds runs in a checkout of the project.")
    free, running, stopping = deque(slots), [], threading.Event()
    failed: list[SERError] = []

    def run(folder: Path) -> Path:
        if failed:  # the thread was faster than who cancels what waits
            raise failed[0]
        device, output = free.popleft(), folder / OUTPUT
        said_before = output.stat().st_size if output.is_file() else 0
        process = _start(commands[folder], folder, device, len(slots))
        running.append(process)
        if stopping.is_set():
            process.terminate()
        tell(f"{folder.name} begins; all it says is in {folder / OUTPUT}")
        code = _followed(process, folder, said_before, tell)
        running.remove(process)
        free.append(device)
        if code:
            failed.append(_failure(folder / OUTPUT, code))
            raise failed[0]
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


def processors() -> int:
    """How many processors this process may use; all, where the system does not say."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start(
    arguments: list[str], folder: Path, device: str | None, count: int
) -> subprocess.Popen:
    command = [sys.executable, "-m", "ser_brain.training.fold_child", str(TRAIN), *arguments]
    command += [f"--device={device}"] if device is not None else []
    threads = str(max(1, processors() // count))
    inside(folder.parent, folder.name).mkdir(parents=True, exist_ok=True)
    with open(inside(folder, OUTPUT), "a", encoding="utf-8") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # by its end the process knows of ours
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"OMP_NUM_THREADS": threads, **os.environ} if count > 1 else None,
        )


def _followed(
    process: subprocess.Popen, folder: Path, passed: int, tell: Callable[[str], None]
) -> int:
    """Wait for a process, and pass on what it says of its progress from a byte on."""
    with open(folder / OUTPUT, "rb") as output:
        output.seek(passed)
        code, begun = None, b""
        while code is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(LOOK_S)
            *lines, begun = (begun + output.read()).split(b"\n")
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                if PROGRESS.match(text):
                    tell(f"{folder.name}: {text}")
    return code


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
    if code == 2 and [path.name for path in output.parent.iterdir()] == [OUTPUT]:
        shutil.rmtree(output.parent)  # it was refused before it began, and this is all of it
        return SERError(f"{output.parent.name}: {last}")
    return SERError(
        f"{output.parent} stopped with exit code {code}: {last} (all of it: {output}). "
        "The same command goes on with what is not finished."
    )


DEFAULT_FOLDS = {"speaker": 5, "speaker+text": 3}
DEFAULT_SEEDS = {"random": (1, 2, 3, 4, 5), "official": (1, 2, 3, 4, 5)}  # only seeds differ
OURS = {"split": "--protocol", "seed": "--seeds", "output_folder": "--out", "fold": "--folds"}


@dataclass(frozen=True)
class Part:
    """One run of a protocol.

    Attributes
    ----------
    name : str
        ``fold 2``, ``seed 1`` or ``seed 1 fold 2``.
    seed, fold : int
    """

    name: str
    seed: int
    fold: int

    @property
    def folder(self) -> str:
        """Its folder inside the folds folder."""
        return self.name.replace(" ", "-")


def parts_of_protocol(seeds: Sequence[int], folds: int) -> list[Part]:
    """Every run of a protocol.

    Parameters
    ----------
    seeds : sequence of int
    folds : int
        1 where the protocol has none: seeds alone differ then.

    Examples
    --------
    >>> [part.name for part in parts_of_protocol([1], 2)]
    ['fold 1', 'fold 2']
    >>> [part.name for part in parts_of_protocol([3, 4], 1)]
    ['seed 3', 'seed 4']
    """
    found = []
    for seed, fold in itertools.product(seeds, range(1, folds + 1)):
        words = [f"seed {seed}"] if len(seeds) > 1 or folds == 1 else []
        words += [f"fold {fold}"] if folds > 1 else []
        found.append(Part(" ".join(words), seed, fold))
    return found


@dataclass(frozen=True)
class Plan:
    """The runs of a protocol.

    Attributes
    ----------
    config : Path
        The experiment's settings file.
    overrides : list of (key, value)
        Of its settings, the same for every part.
    options : list of str
        SpeechBrain's run options, passed on.
    protocol : str
    folds : int or None
        See :class:`ser_brain.data.splits.SplitSetting`.
    seeds : sequence of int
    out : Path or None
        The folds folder; None chooses it.
    run_options : mapping
        What the options say, as a run records it.
    """

    config: Path
    overrides: list[tuple[str, str]]
    options: list[str]
    protocol: str
    folds: int | None
    seeds: Sequence[int]
    out: Path | None = None
    run_options: Mapping = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folds folder."""
        if self.out is not None:
            return self.out
        settings = plain_settings(read_settings(self.config, self.overrides))
        words = [self.protocol, *([] if self.folds is None else [f"{self.folds}fold"])]
        names = [settings.get("experiment"), settings.get("corpus")]
        if not all(isinstance(name, str) for name in names):
            raise SERError(f"{self.config} does not say experiment and corpus; give --out.")
        return Path("results", *names, "-".join(words))

    def overrides_of(self, part: Part) -> list[tuple[str, str]]:
        """Settings of one part."""
        return [
            *self.overrides,
            ("split", self.protocol),
            ("folds", "null" if self.folds is None else str(self.folds)),
            ("fold", str(part.fold)),
            ("seed", str(part.seed)),
            ("output_folder", str(self.folder / part.folder)),
        ]

    def arguments_of(self, part: Part) -> list[str]:
        """Arguments of train.py for one part."""
        own = [f"--{key}={value}" for key, value in self.overrides_of(part)]
        return [str(self.config), *own, *self.options]

    def is_finished(self, part: Part) -> bool:
        """Whether its run, and its report after that, have come to their end."""
        settings = read_settings(self.config, self.overrides_of(part))
        folder = self.folder / part.folder
        finished = is_finished(folder, settings, self.run_options)
        return finished and (folder / "report" / SUMS).is_file()


def make_plan(
    config: str,
    overrides: Sequence[tuple[str, str]],
    options: Sequence[str],
    protocol: str,
    folds: int | None = None,
    seeds: Sequence[int] | None = None,
    out: Path | None = None,
    run_options: Mapping | None = None,
) -> Plan:
    """Fill in what was not asked for, and check the rest.

    Raises
    ------
    SERError
        For an unknown settings file or setting, folds where a protocol has none, or a
        setting that the protocol itself decides.
    """
    for key, _ in overrides:
        if key in OURS or key == "folds":
            raise SERError(f"--{key}=... is not for ser folds; give {OURS.get(key, key)}.")
    if folds is not None and (folds < 2 or protocol in ("group", "official")):
        raise SERError(
            f"Bad --folds {folds} for {protocol}; "
            + ("expected 2 or more." if folds < 2 else "the corpus says how many there are.")
        )
    file = find_settings(config, TRAIN.parent)
    folds = folds or DEFAULT_FOLDS.get(protocol)
    seeds = seeds or ((1,) if folds else DEFAULT_SEEDS.get(protocol, (1,)))
    plan = Plan(
        file, list(overrides), list(options), protocol, folds, seeds, out, run_options or {}
    )
    settings = read_settings(file, plan.overrides)
    require_experiment(settings, file, TRAIN.parent)
    corpora = checked_settings(settings)["corpora"]
    if corpora is not None:
        parse_corpora(corpora)  # What train.py checks at once, too.
    return plan


def run_plan(plan: Plan, slots: Sequence[str | None], tell: Callable[[str], None]) -> Path:
    """Run what is not finished, and note the parts in ``folds.json``.

    Parameters
    ----------
    plan : Plan
    slots : sequence of str or None
        See :func:`ser_brain.training.cross_validation.run_parts`.
    tell : callable
        Given a line whenever a part begins, has ended an epoch, or has finished.

    Returns
    -------
    Path
        The folds folder.

    Raises
    ------
    SERError
        If a part fails, or another process runs the same folds.
    """
    with held(plan.folder / NAME, plan.folder), _kept_if_refused(plan.folder):
        return _run_all(plan, slots, tell)


@contextlib.contextmanager
def _kept_if_refused(folder: Path) -> Iterator[None]:
    """Put the record of finished folds back where the parts refuse what they are to do."""
    records = [path for path in (folder / FOLDS, folder / SUMS) if path.is_file()]
    before = {path: path.read_text(encoding="utf-8") for path in records}
    earlier = read_json(folder / FOLDS, "list of folds") if folder / FOLDS in before else {}
    try:
        yield
    except SERError:
        parts = earlier.get("parts", {}).values()
        if parts and all(_is_finished(folder / part) for part in parts):
            for path, text in before.items():
                write_text(path, text)
        elif not before and not any(path.is_dir() for path in folder.iterdir()):
            remove(folder / FOLDS)  # no part has begun
        raise


def _is_finished(part: Path) -> bool:
    """Whether a part says so; it does not from when it begins until its end."""
    record = part / RECORD
    return record.is_file() and bool(read_json(record, "run description").get("finished"))


def _run_all(plan: Plan, slots: Sequence[str | None], tell: Callable[[str], None]) -> Path:
    record = RunRecord(plan.folder, FOLDS, protocol=plan.protocol, parts={})
    count = plan.folds or 1
    if plan.protocol == "speaker+text":
        count **= 2
    elif plan.protocol == "group":  # How many groups there are, the first run tells.
        first = parts_of_protocol(plan.seeds[:1], 2)[0]
        _run(plan, [first], slots, tell)
        count = read_json(plan.folder / first.folder / "splits.json", "split")["folds"]
    parts = parts_of_protocol(plan.seeds, count)
    _run(plan, parts, slots, tell)
    record.facts["parts"] = {part.name: part.folder for part in parts}
    record.finish()
    return plan.folder


def _run(
    plan: Plan, parts: Sequence[Part], slots: Sequence[str | None], tell: Callable[[str], None]
) -> None:
    waiting = [part for part in parts if not plan.is_finished(part)]
    left = len(waiting)
    if left < len(parts):
        tell(f"{len(parts) - left} of {len(parts)} parts are finished already")
    commands = {plan.folder / part.folder: plan.arguments_of(part) for part in waiting}

    def finished(folder: Path) -> None:
        nonlocal left
        left -= 1
        tell(f"{folder.name} is finished; {left} to go")

    if commands:
        run_parts(commands, slots, finished, tell)

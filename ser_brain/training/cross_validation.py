"""``ser folds``: train and test every part of a protocol, each in a process of its own.

A finished part is not run again; an interrupted one continues where it stopped.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing
import os
import re
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import BinaryIO

from ser_brain.core.errors import SERError
from ser_brain.core.files import SUMS, inside, read_json, remove, write_json, write_text
from ser_brain.core.lock import NAME, held
from ser_brain.data.experiment_config import ExperimentConfig
from ser_brain.data.splits import ACROSS
from ser_brain.evaluation.runs import ADAPTED, FOLDS
from ser_brain.training.command_line import parse
from ser_brain.training.config import (
    HOME,
    checked_settings,
    find_settings,
    read_settings,
    require_experiment,
    split_keys,
)
from ser_brain.training.fold_child import run_part
from ser_brain.training.run import RECORD, SPLITS, RunRecord, is_finished, other_versions
from ser_brain.training.run_options import options_of

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
DEFAULT_FOLDS = {"speaker": 5, "speaker+text": 3}
DEFAULT_SEEDS = {"random": (1, 2, 3, 4, 5), "official": (1, 2, 3, 4, 5)}  # only seeds differ

# Settings that differ between the parts -> the option of ser folds that sets them.
DECIDED = {
    "split": "--protocol",
    "seed": "--seeds",
    "output_folder": "--out",
    "fold": "--folds",
    "folds": "--folds",
}


@dataclass(frozen=True)
class Part:
    """One run of a protocol, named ``fold 2``, ``seed 1`` or ``seed 1 fold 2``."""

    name: str
    seed: int
    fold: int

    @property
    def folder(self) -> str:
        """Its folder inside the folds folder."""
        return self.name.replace(" ", "-")


def parts_of_protocol(seeds: Sequence[int], folds: int) -> list[Part]:
    """Every run of a protocol; with ``folds`` 1, the parts differ by their seeds.

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
    folder : Path
        The folds folder.
    """

    config: Path
    overrides: list[tuple[str, str]]
    options: list[str]
    protocol: str
    folds: int | None
    seeds: Sequence[int]
    folder: Path

    @functools.cached_property
    def run_options(self) -> dict:
        """The options as a run records them, checked.

        Raises
        ------
        SERError
            See :func:`ser_brain.training.command_line.parse`.
        """
        # It imports SpeechBrain, which takes a second, and is needed for few commands.
        return options_of(parse([str(self.config), *self.options])[-1])

    @property
    def is_probe(self) -> bool:
        """Whether the parts take seconds, because they train on embeddings."""
        return "emotion_classifier" in split_keys(read_settings(self.config), str(self.config))

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
        """Whether its run and the report after it are finished."""
        folder = self.folder / part.folder
        if not (folder / "report" / SUMS).is_file():
            return False
        settings = read_settings(self.config, self.overrides_of(part))
        return is_finished(folder, settings, self.run_options)


def make_plan(
    config: str,
    overrides: Sequence[tuple[str, str]],
    options: Sequence[str],
    protocol: str,
    folds: int | None = None,
    seeds: Sequence[int] | None = None,
    out: Path | None = None,
) -> Plan:
    """Complete a command of ``ser folds`` with defaults, and check it; see :class:`Plan`.

    Raises
    ------
    SERError
        For an unknown settings file or setting, folds for a protocol without, or a setting
        that differs between the parts.
    """
    for key, _ in overrides:
        if key in DECIDED:
            raise SERError(f"ser folds sets --{key} itself; give {DECIDED[key]} instead.")
    if folds is not None and protocol in ("group", "official", *ACROSS):
        raise SERError(
            f"Bad --folds {folds} for {protocol}; the corpus decides how many there are."
        )
    if folds is not None and folds < 2:
        raise SERError(f"Bad --folds {folds} for {protocol}; expected 2 or more.")
    file = find_settings(config)
    folds = folds or DEFAULT_FOLDS.get(protocol)
    seeds = seeds or ((1,) if folds else DEFAULT_SEEDS.get(protocol, (1,)))
    require_experiment(read_settings(file, overrides), file)
    given = list(overrides), list(options)
    plan = Plan(file, *given, protocol, folds, seeds, out or Path())
    # What train.py would refuse is refused here, before any process starts.
    first = plan.overrides_of(parts_of_protocol(seeds, 1)[0])
    found = ExperimentConfig.from_settings(checked_settings(read_settings(file, first)))
    corpora = found.trained_on  # also where they name no folder: a mistake in them ends here
    if out is None:
        name = protocol if folds is None else f"{protocol}-{folds}fold"
        name = f"one-{name}" if found.split.train_on == "one" else name
        plan = replace(plan, folder=Path("results", found.experiment, corpora, name))
    return plan


def run_plan(plan: Plan, slots: Sequence[str | None], tell: Callable[[str], None]) -> Path:
    """Run what is not finished, and list the parts in ``folds.json``.

    Parameters
    ----------
    plan : Plan
    slots : sequence of str or None
        A device for each process that may run at a time; None lets train.py choose one.
    tell : callable
        Called with a line when a part begins, ends an epoch, or finishes.

    Returns
    -------
    Path
        The folds folder.

    Raises
    ------
    SERError
        If a part fails, or another process runs the same folds.
    """
    with held(plan.folder / NAME, plan.folder), _record_restored(plan.folder):
        record = RunRecord(plan.folder, FOLDS, protocol=plan.protocol, parts={})
        count = plan.folds or 1
        if plan.protocol == "speaker+text":
            count **= 2
        elif plan.protocol in ("group", *ACROSS):  # the first run finds how many there are
            first = parts_of_protocol(plan.seeds, 2)[0]
            _run_unfinished(plan, [first], slots, tell)
            count = read_json(plan.folder / first.folder / SPLITS, "split")["folds"]
        parts = parts_of_protocol(plan.seeds, count)
        _run_unfinished(plan, parts, slots, tell)
        record.facts["parts"] = {part.name: part.folder for part in parts}
        record.finish()
        _link_adapted(plan.folder, record.facts["parts"])
    return plan.folder


def _link_adapted(folder: Path, parts: Mapping[str, str]) -> None:
    """List the adapted predictions of all parts, if there are any, as folds of their own."""
    if all((folder / part / ADAPTED).is_dir() for part in parts.values()):
        listed = {name: os.path.join("..", part, ADAPTED) for name, part in parts.items()}
        record = read_json(folder / FOLDS, "list of folds")
        write_json(inside(folder, ADAPTED) / FOLDS, {**record, "parts": listed})


@contextlib.contextmanager
def _record_restored(folder: Path) -> Iterator[None]:
    """Restore the record of finished folds if the parts refuse a new command."""
    records = [path for path in (folder / FOLDS, folder / SUMS) if path.is_file()]
    before = {path: path.read_text(encoding="utf-8") for path in records}
    earlier = read_json(folder / FOLDS, "list of folds") if folder / FOLDS in before else {}
    try:
        yield
    except SERError:
        parts = [*earlier.get("parts", {}).values()]
        runs = [folder / part / RECORD for part in parts]
        # A part that has begun says that it is not finished, until its end.
        whole = parts and all(
            run.is_file() and read_json(run, "run description").get("finished") for run in runs
        )
        if whole and not _of_other_corpora(folder, parts):
            for path, text in before.items():
                write_text(path, text)
        elif not before and not any(path.is_dir() for path in folder.iterdir()):
            remove(folder / FOLDS)  # no part has begun
        raise


def _run_unfinished(
    plan: Plan, parts: Sequence[Part], slots: Sequence[str | None], tell: Callable[[str], None]
) -> None:
    waiting = [part for part in parts if not plan.is_finished(part)]
    done = [part.folder for part in parts if part not in waiting]
    if done:
        tell(f"{len(done)} of {len(parts)} parts are finished already")
        _require_same_corpora(plan.folder, done)
    commands = {plan.folder / part.folder: plan.arguments_of(part) for part in waiting}

    def finished(folder: Path) -> None:
        done.append(folder.name)
        tell(f"{folder.name} is finished; {len(parts) - len(done)} to go")
        _require_same_corpora(plan.folder, done)

    # The first part of a probe embeds the clips, with all processors; the others find them. To
    # draw their figures would take several times as long as all the rest.
    alone = list(commands)[:1] if plan.is_probe else []
    for chosen, at_once in ((alone, slots[:1]), ([*commands][len(alone) :], slots)):
        run_parts(
            {folder: commands[folder] for folder in chosen},
            *(at_once, finished, tell),
            figures=not plan.is_probe,
        )


def _require_same_corpora(folder: Path, parts: Sequence[str]) -> None:
    """Stop if parts, which are to be pooled, were trained on different versions of a corpus."""
    if found := _of_other_corpora(folder, parts):
        corpora = dict.fromkeys(name for names in found.values() for name in names)
        raise SERError(
            f"{folder}: {', '.join(found)} had another version of {', '.join(corpora)} than "
            f"{parts[-1]}, so their results cannot be pooled. Remove the folders of the older "
            "parts and repeat the command, or choose another --out."
        )


def _of_other_corpora(folder: Path, parts: Sequence[str]) -> dict[str, list[str]]:
    """Parts -> the corpora of which they had another version than the last part."""
    *others, last = (
        read_json(folder / part / SPLITS, "split").get("corpora", {}) for part in parts
    )
    found = {
        part: other_versions(corpora, last)
        for part, corpora in zip(parts, others, strict=False)
    }
    return {part: names for part, names in found.items() if names}


# -- processes


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
        See :func:`run_plan`.
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
    if code == 2 and said:
        last = said[-1].removeprefix("error: ")
    if code == 2 and [path.name for path in output.parent.iterdir()] == [OUTPUT]:
        shutil.rmtree(output.parent)  # it was refused before it began
        return SERError(f"{output.parent.name}: {last}")
    return SERError(
        f"{output.parent} stopped with exit code {code}: {last} (all output: {output}). The "
        "same command continues with what is not finished."
    )

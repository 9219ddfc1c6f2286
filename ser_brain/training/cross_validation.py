"""``ser folds``: train and test every part of a protocol, each in a process of its own.

A finished part is not run again; an interrupted one continues where it stopped.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ser_brain.core.errors import SERError
from ser_brain.core.files import (
    RECORD,
    SUMS,
    inside,
    read_json,
    remove,
    splits_of,
    write_json,
    write_text,
)
from ser_brain.core.lock import NAME, held
from ser_brain.data.experiment_config import ExperimentConfig
from ser_brain.data.splits import ACROSS
from ser_brain.evaluation.runs import ADAPTED, FOLDS
from ser_brain.training.command_line import parse
from ser_brain.training.config import (
    checked_settings,
    find_settings,
    read_settings,
    require_experiment,
    split_keys,
    with_brain,
)
from ser_brain.training.fold_processes import run_parts
from ser_brain.training.run import SETTINGS, RunRecord, is_finished, other_versions
from ser_brain.training.run_options import options_of

if TYPE_CHECKING:
    from ser_brain.data.experiment import ExperimentData

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
class PlannedRun:
    """One run of a protocol, named ``fold 2``, ``seed 1`` or ``seed 1 fold 2``."""

    name: str
    seed: int
    fold: int

    @property
    def folder(self) -> str:
        """Its folder inside the folds folder."""
        return self.name.replace(" ", "-")


def parts_of_protocol(seeds: Sequence[int], folds: int) -> list[PlannedRun]:
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
        found.append(PlannedRun(" ".join(words), seed, fold))
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

    @property
    def first_part(self) -> PlannedRun:
        """Known before any run has found how many folds the corpus decides."""
        decided_later = self.protocol in ("group", *ACROSS)
        return parts_of_protocol(self.seeds, 2 if decided_later else self.folds or 1)[0]

    def overrides_of(self, part: PlannedRun) -> list[tuple[str, str]]:
        """Settings of one part."""
        return [
            *self.overrides,
            ("split", self.protocol),
            ("folds", "null" if self.folds is None else str(self.folds)),
            ("fold", str(part.fold)),
            ("seed", str(part.seed)),
            ("output_folder", str(self.folder / part.folder)),
        ]

    def arguments_of(self, part: PlannedRun) -> list[str]:
        """Arguments of train.py for one part."""
        own = [f"--{key}={value}" for key, value in self.overrides_of(part)]
        return [str(self.config), *own, *self.options]

    def is_finished(self, part: PlannedRun) -> bool:
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
        For an unknown settings file or setting, folds for a protocol without, a setting
        that differs between the parts, or a folder that contains a run.
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
    if (plan.folder / SETTINGS).is_file():  # its report would be replaced
        raise SERError(
            f"{plan.folder} contains a run of train.py. Choose another --out, or remove the "
            "folder."
        )
    return plan


def require_current(plan: Plan, load_data: Callable[[dict], ExperimentData]) -> None:
    """Stop if the first part is finished, but was trained on another version of a corpus.

    Parameters
    ----------
    plan : Plan
    load_data : callable
        Settings with the class of the Brain -> their data, as they are now.

    Raises
    ------
    SERError
        With the names of the corpora.
    """
    if not plan.is_finished(plan.first_part):
        return
    settings = read_settings(plan.config, plan.overrides_of(plan.first_part))
    now = load_data(with_brain(checked_settings(settings))).as_dict()["corpora"]
    kept = splits_of(plan.folder / plan.first_part.folder)
    if changed := other_versions(kept.get("corpora", {}), now):
        raise SERError(
            f"{', '.join(changed)} changed after {plan.first_part.name} in {plan.folder} was "
            f"trained. Remove {plan.folder}, or choose another --out."
        )


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
            _run_unfinished(plan, [plan.first_part], slots, tell)
            folder = plan.folder / plan.first_part.folder
            count = splits_of(folder)["folds"]
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
    plan: Plan,
    parts: Sequence[PlannedRun],
    slots: Sequence[str | None],
    tell: Callable[[str], None],
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
    *others, last = (splits_of(folder / part).get("corpora", {}) for part in parts)
    found = {
        part: other_versions(corpora, last)
        for part, corpora in zip(parts, others, strict=False)
    }
    return {part: names for part, names in found.items() if names}

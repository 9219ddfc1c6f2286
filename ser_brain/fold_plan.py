"""The plan of a protocol: which runs of train.py it needs, and where each lies."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ser_brain.checksums import SUMS
from ser_brain.config import (
    checked_settings,
    find_settings,
    plain_settings,
    read_settings,
    require_experiment,
)
from ser_brain.corpora import parse_corpora
from ser_brain.errors import SERError
from ser_brain.fold_processes import TRAIN
from ser_brain.run_folder import is_finished

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
        See :class:`ser_brain.splits.SplitSetting`.
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

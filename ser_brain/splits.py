"""Splits: which utterances train, validate and test, by a named protocol and a seed."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ser_brain.errors import SERError, bad_value

PROTOCOLS = ("random", "speaker", "group", "official")
DISJOINT = {"speaker": "speaker", "group": "group"}  # protocol -> field no two parts share
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class SplitSetting:
    """How to cut a corpus.

    Attributes
    ----------
    protocol : str
        ``random`` (speakers shared), ``speaker`` (disjoint speakers), ``group`` (one session or
        dyad left out) or ``official`` (the corpus's own).
    seed : int
        Without ``folds``, consecutive seeds test on other utterances or speakers. With them, it
        decides only among speakers that serve the balance of the classes equally well.
    fractions : (float, float, float)
        Shares of train, valid and test, where no folds are asked for.
    folds : int, optional
        Number of folds; for ``group`` always the number of groups.
    fold : int
        Which fold is the test set, from 1.
    """

    protocol: str
    seed: int
    fractions: Sequence[float] = (0.8, 0.1, 0.1)
    folds: int | None = None
    fold: int = 1

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise bad_value("split", self.protocol, PROTOCOLS)
        shares = list(self.fractions)
        if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
            raise SERError(
                f"Bad split_fractions {shares}; expected three shares (train, valid, test), "
                "each above 0, that sum to 1."
            )
        if self.folds is not None and (not isinstance(self.folds, int) or self.folds < 2):
            raise SERError(f"Bad folds {self.folds!r}; expected 2 or more, or null.")
        if not isinstance(self.fold, int):
            raise SERError(f"Bad fold {self.fold!r}; expected a number from 1.")
        if self.fold != 1 and self.folds is None and self.protocol != "group":
            raise SERError(f"fold: {self.fold} means nothing without folds; give --folds too.")

    def describe(self) -> str:
        """The protocol's name as it stands in a protocol string."""
        if self.protocol == "group":
            return f"group-fold{self.fold}"
        if self.folds is not None and self.protocol != "official":
            return f"{self.protocol}-{self.folds}fold-fold{self.fold}"
        return self.protocol


def split(
    rows: Mapping[str, dict], setting: SplitSetting, classes: bool = True
) -> dict[str, list[str]]:
    """Cut utterances into train, valid and test.

    Validation is taken from what the test fold leaves, by the same protocol: under a disjoint
    protocol no speaker (or group) stands in two parts.

    Parameters
    ----------
    rows : mapping
        id -> row with ``speaker``, ``group``, ``split`` and ``emotion``.
    setting : SplitSetting
    classes : bool
        Keep the classes in proportion, and insist that each can be learned; False where no
        class is.

    Returns
    -------
    dict
        ``train``, ``valid`` and ``test`` -> sorted ids.

    Raises
    ------
    SERError
        If the corpus lacks what the protocol needs, or has too few speakers of a class.
    """
    ids = sorted(rows)
    if not classes:
        rows = {i: {**row, "emotion": None} for i, row in rows.items()}
    if setting.protocol == "official":
        parts = _official(rows, ids)
        _require_useful(rows, parts, setting)
        return parts
    by = DISJOINT.get(setting.protocol)
    if by is not None:
        _require_field(rows, by)
    if setting.protocol == "group":
        groups = len({row[by] for row in rows.values()})
        if groups < 3:
            raise SERError(f"split: group needs at least 3 groups; found only {groups}.")
        rest, test = _leave_one_out(rows, ids, by, setting.fold - 1)
        # The group after the test group; the last fold takes the first.
        train, valid = _leave_one_out(rows, rest, by, setting.fold - 1, around=True)
    else:
        _require_enough(rows, by, setting.folds or 3)
        # Folds of speakers are drawn to balance the classes, which leaves little to chance:
        # without folds to choose from, the seed chooses.
        turn = 0 if setting.folds else setting.seed - 1
        folds = setting.folds or _folds_for(setting.fractions[2], rows, ids, by)
        number = setting.fold if setting.folds else 1 + turn % folds
        rest, test = _take_fold(rows, ids, by, folds, number, setting.seed)
        share = setting.fractions[1] / (setting.fractions[0] + setting.fractions[1])
        folds = _folds_for(share, rows, rest, by)
        train, valid = _take_fold(rows, rest, by, folds, 1 + turn % folds, setting.seed)
    parts = {"train": train, "valid": valid, "test": test}
    _require_useful(rows, parts, setting)
    return parts


def _official(rows: Mapping[str, dict], ids: list[str]) -> dict[str, list[str]]:
    parts = {part: [i for i in ids if rows[i]["split"] == part] for part in PARTS}
    outside = len(ids) - sum(map(len, parts.values()))
    if 0 < outside < len(ids):
        raise SERError(
            f"{outside} utterances stand in no part of the corpus's official split; leave "
            "them out of the corpus or use split: speaker."
        )
    absent = [part for part, members in parts.items() if not members]
    if absent:
        raise SERError(
            f"The corpus defines no official {', '.join(absent)} part; use split: speaker."
        )
    return parts


def _require_field(rows: Mapping[str, dict], by: str) -> None:
    without = [i for i, row in rows.items() if row[by] is None]
    if without:
        raise SERError(
            f"split: {by} needs the {by} of every utterance; {len(without)} have none "
            f"({', '.join(without[:5])})."
        )


def _require_enough(rows: Mapping[str, dict], by: str | None, needed: int) -> None:
    """Every class must be able to stand in every part."""
    of_class = defaultdict(set)
    for utterance_id, row in rows.items():
        of_class[row["emotion"]].add(utterance_id if by is None else row[by])
    what = "utterances" if by is None else f"{by}s"
    for emotion, members in sorted(of_class.items(), key=str):
        if len(members) < needed:
            raise SERError(
                f"{emotion or 'The corpus'} has only {len(members)} {what}, too few to cut "
                f"into {needed} parts by {by or 'utterance'}; expected at least {needed}."
            )


def _folds_for(share: float, rows: Mapping[str, dict], ids: list[str], by: str | None) -> int:
    """How many folds make one about ``share`` of the data."""
    if by is None:
        units = max(Counter(rows[i]["emotion"] for i in ids).values())
    else:
        units = len({rows[i][by] for i in ids})
    return max(2, min(round(1 / share), units))


def _take_fold(
    rows: Mapping[str, dict], ids: list[str], by: str | None, folds: int, fold: int, seed: int
) -> tuple[list[str], list[str]]:
    """Cut ids into the rest and one fold, with the classes in proportion."""
    if not 1 <= fold <= folds:
        raise SERError(f"Bad fold {fold}; expected 1 to {folds}.")
    classes = [str(rows[i]["emotion"]) for i in ids]
    if by is None:
        cutter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        pieces = cutter.split(np.zeros(len(ids)), classes)
    else:
        # The seed names the speakers anew, which decides between equals. The cutter's own
        # shuffling means something else in every release of scikit-learn.
        names = sorted({rows[i][by] for i in ids})
        random.Random(seed).shuffle(names)
        number = {name: place for place, name in enumerate(names)}
        groups = [number[rows[i][by]] for i in ids]
        pieces = StratifiedGroupKFold(folds).split(np.zeros(len(ids)), classes, groups)
    rest, taken = list(pieces)[fold - 1]
    return [ids[i] for i in rest], [ids[i] for i in taken]


def _leave_one_out(
    rows: Mapping[str, dict], ids: list[str], by: str, number: int, around: bool = False
) -> tuple[list[str], list[str]]:
    """Cut ids into all groups but one, and that one."""
    groups = sorted({rows[i][by] for i in ids})
    if around:
        number %= len(groups)
    if not 0 <= number < len(groups):
        raise SERError(f"Bad fold {number + 1}; expected 1 to {len(groups)}.")
    out = groups[number]
    kept = [i for i in ids if rows[i][by] != out]
    return kept, [i for i in ids if rows[i][by] == out]


def _require_useful(
    rows: Mapping[str, dict], parts: Mapping[str, list[str]], setting: SplitSetting
) -> None:
    """Every part has utterances, and training has every class."""
    for part, members in parts.items():
        if not members:
            raise SERError(
                f"The {setting.describe()} split leaves nothing for {part}; "
                "use fewer folds or larger split_fractions."
            )
    trained = {rows[i]["emotion"] for i in parts["train"]}
    lost = sorted({row["emotion"] for row in rows.values()} - trained, key=str)
    if lost:
        raise SERError(
            f"The {setting.describe()} split leaves no {', '.join(map(str, lost))} to train "
            "on; use fewer folds or another seed."
        )

"""Folding: one fold of a corpus and the rest of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ser_brain.errors import SERError


def folds_for(share: float, rows: Mapping[str, dict], ids: list[str], by: str | None) -> int:
    """How many folds make one about ``share`` of the utterances, or of what ``by`` names."""
    if by is None:
        units = max(Counter(rows[i]["emotion"] for i in ids).values())
    else:
        units = len({rows[i][by] for i in ids})
    return max(2, min(round(1 / share), units))


def take_fold(
    rows: Mapping[str, dict], ids: list[str], by: str | None, folds: int, fold: int, seed: int
) -> tuple[list[str], list[str]]:
    """Cut ids into the rest and one fold, with the classes in proportion."""
    # It takes a second, and the command line needs but the names of the protocols.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

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
    try:
        rest, taken = list(pieces)[fold - 1]
    except ValueError:  # no class has as many utterances as there are folds
        raise SERError(
            f"{len(ids)} utterances of {len(set(classes))} classes are too few to cut into "
            f"{folds} parts; use fewer folds or larger split_fractions."
        ) from None
    return [ids[i] for i in rest], [ids[i] for i in taken]


def cross_folds(
    rows: Mapping[str, dict],
    ids: list[str],
    fields: Sequence[str],
    folds: int,
    fold: int,
    seed: int,
) -> tuple[list[str], list[str]]:
    """Cut ids so that the fold shares neither field with the rest.

    Each field is cut into folds by itself; the crossing of one fold of each is taken. What
    lies in only one of them is in neither part.
    """
    if not 1 <= fold <= folds**2:
        raise SERError(f"Bad fold {fold}; expected 1 to {folds**2}.")
    rest, taken = set(ids), set(ids)
    for field, number in zip(fields, divmod(fold - 1, folds), strict=True):
        others, members = take_fold(rows, ids, field, folds, number + 1, seed)
        rest.intersection_update(others)
        taken.intersection_update(members)
    return sorted(rest), sorted(taken)


def leave_one_out(
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

"""Folding: one fold of a corpus and the rest of it."""

from __future__ import annotations

import itertools
import random
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from ser_brain.errors import SERError


def folds_for(share: float, rows: Mapping[str, dict], ids: list[str], by: str | None) -> int:
    """How many folds make one about ``share`` of the utterances, or of what ``by`` names."""
    units = max(Counter(rows[i]["emotion"] for i in ids).values())  # what the cutters can cut
    if by is not None:
        units = min(units, len({rows[i][by] for i in ids}))
    return max(2, min(round(1 / share), units))


def cut(
    rows: Mapping[str, dict], ids: list[str], by: str | None, folds: int, seed: int
) -> list[list[str]]:
    """Cut ids into folds, with the classes in proportion."""
    # It takes a second, and the command line needs but the names of the protocols.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

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
        with warnings.catch_warnings():  # of a rare class: absence() says what comes of it
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            return [[ids[i] for i in taken] for _, taken in pieces]
    except ValueError:  # no class has as many utterances as there are folds
        units = len(ids if by is None else set(groups))
        found = f"{units} {by or 'utterance'}s of {len(set(classes))} classes are"
        if units == 1:
            found = f"Without the test set, one {by or 'utterance'} is"
        raise SERError(
            f"{found} too few to cut into {folds} parts; use fewer folds or larger "
            "split_fractions."
        ) from None


def rest_and(ids: list[str], taken: Iterable[str]) -> list[list[str]]:
    """Two parts: what is not taken, and what is; in the order of ids."""
    taken = set(taken)
    return [[i for i in ids if i not in taken], [i for i in ids if i in taken]]


def cross(ids: list[str], cuts: Sequence[list[list[str]]]) -> list[list[list[str]]]:
    """Cross the folds of two fields: the rest and the fold of every crossing.

    A fold shares neither field with its rest. What lies in only one of the two crossed folds
    is in neither part.
    """
    found = []
    for one, other in itertools.product(*(map(set, each) for each in cuts)):
        rest = [i for i in ids if i not in one and i not in other]
        found.append([rest, [i for i in ids if i in one and i in other]])
    return found


def lacking(
    rows: Mapping[str, dict],
    parts: Sequence[list[str]],
    by: str | None,
    needs: Sequence[int],
    classes: Collection[str],
) -> int:
    """How many speakers of a class (or what ``by`` names) the parts lack, added up.

    Parameters
    ----------
    rows : mapping
    parts : sequence of list of str
    by : str or None
        None counts utterances.
    needs : sequence of int
        For each part, how many of every class it should have.
    classes : collection of str
    """
    short = 0
    for ids, need in zip(parts, needs, strict=True):
        found = {(rows[i]["emotion"], i if by is None else rows[i][by]) for i in ids}
        counts = Counter(emotion for emotion, _ in found)
        short += sum(max(0, need - counts[emotion]) for emotion in classes)
    return short


def exchange(
    rows: Mapping[str, dict],
    parts: Sequence[list[str]],
    by: str | None,
    needs: Sequence[int],
    classes: Collection[str],
) -> list[list[str]]:
    """Swap two speakers (or what ``by`` names) of two parts as long as fewer classes lack.

    Of the swaps that help most, the one that changes the sizes least is made. Parameters as
    for :func:`lacking`. Axes: U speakers, C classes, P parts.
    """
    members, part_of = defaultdict(list), {}
    for part, ids in enumerate(parts):
        for i in ids:
            unit = i if by is None else rows[i][by]
            members[unit].append(i)
            part_of[unit] = part
    units = sorted(members)
    part_U = np.array([part_of[unit] for unit in units])
    size_U = np.array([len(members[unit]) for unit in units])
    said = [{rows[i]["emotion"] for i in members[unit]} for unit in units]
    held_UC = np.array([[emotion in each for emotion in classes] for each in said], dtype=int)
    need_P1 = np.array(needs)[:, None]
    while True:
        have_PC = np.stack([held_UC[part_U == part].sum(0) for part in range(len(parts))])
        short_P = np.maximum(need_P1 - have_PC, 0).sum(1)
        # Those of one part with the same classes and size are as good as each other.
        alike = np.column_stack([part_U, size_U, held_UC])
        _, different = np.unique(alike, axis=0, return_index=True)
        best = (0, 0, 0, 0)
        for one in different[short_P[part_U[different]] > 0]:
            here, gained_UC = part_U[one], held_UC - held_UC[one]
            after_U = np.maximum(need_P1[here] - have_PC[here] - gained_UC, 0).sum(1)
            after_U += np.maximum(need_P1[part_U] - have_PC[part_U] + gained_UC, 0).sum(1)
            won_U = np.where(part_U == here, 0, short_P[here] + short_P[part_U] - after_U)
            changed_U = np.abs(size_U - size_U[one])
            other = np.lexsort((changed_U, -won_U))[0]
            best = max(best, (won_U[other], -changed_U[other], one, other))
        if best[0] == 0:
            break
        part_U[[*best[2:]]] = part_U[[*best[:1:-1]]]
    of_part = dict(zip(units, part_U.tolist(), strict=True))
    return [
        sorted(i for unit in units if of_part[unit] == part for i in members[unit])
        for part in range(len(parts))
    ]


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

"""Cutting utterances into folds, with every class in every fold where that is possible.

``by`` is the field whose values are kept together, such as ``speaker``; None cuts utterances.
"""

from __future__ import annotations

import itertools
import random
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from ser_brain.core.errors import SERError


def folds_for(share: float, rows: Mapping[str, dict], ids: list[str], by: str | None) -> int:
    """How many folds make one about ``share`` of the utterances, or of what ``by`` names."""
    units = max(Counter(rows[i]["emotion"] for i in ids).values())  # scikit-learn's limit
    if by is not None:
        units = min(units, len({rows[i][by] for i in ids}))
    return max(2, min(round(1 / share), units))


def cut(
    rows: Mapping[str, dict], ids: list[str], by: str | None, folds: int, seed: int
) -> list[list[str]]:
    """Cut ids into folds with the classes in proportion; what shares ``by`` stays together."""
    # Imported here: it takes a second, and a command line only needs the protocols' names.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    classes = [str(rows[i]["emotion"]) for i in ids]
    if by is None:
        cutter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        pieces = cutter.split(np.zeros(len(ids)), classes)
    else:
        # The seed renumbers the speakers, which decides between equally good folds. The
        # cutter's own shuffling changes its meaning with every release of scikit-learn.
        names = sorted({rows[i][by] for i in ids})
        random.Random(seed).shuffle(names)
        number = {name: place for place, name in enumerate(names)}
        groups = [number[rows[i][by]] for i in ids]
        pieces = StratifiedGroupKFold(folds).split(np.zeros(len(ids)), classes, groups)
    try:
        with warnings.catch_warnings():  # about a rare class: absence() tells the consequence
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


def source_of(row: Mapping) -> str:
    """The corpus of a row, or the language, where the split is across languages."""
    return row.get("source") or row["corpus"]


def of_some_speakers(rows: Mapping[str, dict], most: int) -> list[str]:
    """Ids of all utterances, or of ``most``: of random speakers, as many of each corpus.

    The draw is always the same. A corpus that has fewer gives all; an utterance of an unknown
    speaker is a speaker.
    """
    ids: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for utterance_id, row in rows.items():
        ids[source_of(row)][row["speaker"] or utterance_id].append(utterance_id)
    rng, chosen = np.random.default_rng(0), set()
    smallest_first = sorted(ids.values(), key=lambda by: sum(map(len, by.values())))
    for done, by_speaker in enumerate(smallest_first):
        share = (most - len(chosen)) // (len(smallest_first) - done)
        drawn = itertools.chain(*(by_speaker[name] for name in rng.permutation([*by_speaker])))
        chosen.update(itertools.islice(drawn, share))
    return [utterance_id for utterance_id in rows if utterance_id in chosen]


def parted(ids: list[str], taken: Iterable[str]) -> list[list[str]]:
    """What is not taken, and what is, in the order of ids."""
    taken = set(taken)
    return [[i for i in ids if i not in taken], [i for i in ids if i in taken]]


def crossed(ids: list[str], cuts: Sequence[list[list[str]]]) -> list[list[list[str]]]:
    """The rest and the fold of every crossing of the folds of two fields.

    A fold shares neither field with its rest: what is in only one of the two crossed folds is
    in neither part.
    """
    found = []
    for one, other in itertools.product(*(map(set, each) for each in cuts)):
        rest = [i for i in ids if i not in one and i not in other]
        found.append([rest, [i for i in ids if i in one and i in other]])
    return found


def chosen_pair(
    rows: Mapping[str, dict],
    pairs: Sequence[Sequence[list[str]]],
    by: str | None,
    needs: tuple[int, int],
    turn: int,
    swapped: bool = False,
) -> Sequence[list[str]]:
    """Of pairs (rest, fold) the one whose turn it is, or one that lacks fewer classes.

    ``needs`` says how many speakers (or what ``by`` names) of a class the rest and the fold
    should have. If every fold lacks a class, speakers may be ``swapped`` between the two.
    """
    classes = classes_of(rows, [i for part in pairs[0] for i in part])
    short = [lacking(rows, pair, by, needs, classes) for pair in pairs]
    place = turn % len(pairs)
    best = [n for n, count in enumerate(short) if count == min(short)]
    if place not in best:
        place = best[turn % len(best)]
    if short[place] and swapped:
        return exchanged(rows, pairs[place], by, needs, classes)
    return pairs[place]


def classes_of(rows: Mapping[str, dict], ids: Sequence[str]) -> list[str]:
    """The classes of some utterances, sorted."""
    return sorted({rows[i]["emotion"] for i in ids} - {None})


def lacking(
    rows: Mapping[str, dict],
    parts: Sequence[list[str]],
    by: str | None,
    needs: Sequence[int],
    classes: Collection[str],
) -> int:
    """How many speakers (or what ``by`` names) of a class the parts lack, added up."""
    short = 0
    for ids, need in zip(parts, needs, strict=True):
        found = {(rows[i]["emotion"], i if by is None else rows[i][by]) for i in ids}
        counts = Counter(emotion for emotion, _ in found)
        short += sum(max(0, need - counts[emotion]) for emotion in classes)
    return short


def exchanged(
    rows: Mapping[str, dict],
    parts: Sequence[list[str]],
    by: str | None,
    needs: Sequence[int],
    classes: Collection[str],
) -> list[list[str]]:
    """Swap speakers (or what ``by`` names) of two parts as long as :func:`lacking` falls.

    Of the swaps that help most, the one that changes the sizes least is made. Axes: U speakers,
    C classes, P parts.
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
    labels = [{rows[i]["emotion"] for i in members[unit]} for unit in units]
    has_UC = np.array([[emotion in each for emotion in classes] for each in labels], dtype=int)
    need_P1 = np.array(needs)[:, None]
    while True:
        have_PC = np.stack([has_UC[part_U == part].sum(0) for part in range(len(parts))])
        short_P = np.maximum(need_P1 - have_PC, 0).sum(1)
        # Speakers of one part with the same classes and size are interchangeable: try one each.
        alike = np.column_stack([part_U, size_U, has_UC])
        _, different = np.unique(alike, axis=0, return_index=True)
        best = (0, 0, 0, 0)
        for one in different[short_P[part_U[different]] > 0]:
            here, gained_UC = part_U[one], has_UC - has_UC[one]
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

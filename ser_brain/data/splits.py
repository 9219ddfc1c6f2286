"""Splits: which utterances train, validate and test, by a named protocol and a seed."""

from __future__ import annotations

import hashlib
import itertools
import random
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import get_logger


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


def balanced_ids(rows: Mapping[str, dict], emotions: Sequence[str], seed: int) -> list[str]:
    """Draw equally many ids of each class.

    Ids are ranked by the SHA-256 of seed and id: the same draw on every machine and release.

    Parameters
    ----------
    rows : mapping
        id -> row with ``emotion``; utterances of none of the classes are never drawn.
    emotions : sequence of str
        The classes.
    seed : int

    Returns
    -------
    list of str
        In the order of ``rows``.

    Raises
    ------
    SERError
        If a class has no utterance.

    Examples
    --------
    >>> rows = {"a": {"emotion": "anger"}, "b": {"emotion": "calm"}, "c": {"emotion": "calm"}}
    >>> [balanced_ids(rows, ["anger", "calm"], seed) for seed in (1, 3)]
    [['a', 'c'], ['a', 'b']]
    """
    counts = Counter(row["emotion"] for row in rows.values())
    absent = [emotion for emotion in emotions if not counts[emotion]]
    if absent:
        raise SERError(
            f"Cannot balance the classes: no utterance is labelled {', '.join(absent)}. "
            "Name the classes that are there, or test on all utterances."
        )
    size = min(counts[emotion] for emotion in emotions)
    drawn: set[str] = set()
    for emotion in emotions:
        members = [i for i, row in rows.items() if row["emotion"] == emotion]
        drawn.update(sorted(members, key=lambda i: _rank(seed, i))[:size])
    return [i for i in rows if i in drawn]


def _rank(seed: int, utterance_id: str) -> str:
    return hashlib.sha256(f"{seed} {utterance_id}".encode()).hexdigest()


logger = get_logger(__name__)
PROTOCOLS = ("random", "speaker", "speaker+text", "group", "official")

# Protocol -> fields that the test set shares with no other part.
DISJOINT = {"speaker": ("speaker",), "speaker+text": ("speaker", "text"), "group": ("group",)}
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class SplitSetting:
    """How to cut a corpus.

    Attributes
    ----------
    protocol : str
        ``random`` (speakers shared), ``speaker`` (disjoint speakers), ``speaker+text``
        (neither speakers nor texts of the test set are trained or validated on), ``group`` (one
        session or dyad left out) or ``official`` (the corpus's own; without a valid part,
        speakers of its train part validate).
    seed : int
        Without ``folds``, each seed draws a test set anew. Two seeds may test on the same
        speakers: only folds test on each of them once. With folds, the seed decides only among
        speakers that serve the balance of the classes equally well.
    fractions : (float, float, float)
        Shares of train, valid and test, where no folds are asked for.
    folds : int, optional
        Number of folds; for ``group`` always the number of groups; for ``speaker+text`` the
        number of speaker folds and of text folds, which cross: 3 makes 9 test sets.
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
        if self.folds is None or self.protocol == "official":
            return self.protocol
        crossed = f"{self.folds}x" if self.protocol == "speaker+text" else ""
        return f"{self.protocol}-{crossed}{self.folds}fold-fold{self.fold}"

    def fold_count(self, rows: Mapping[str, dict]) -> int:
        """How many folds test every utterance once; 1 where the protocol has none."""
        if self.protocol == "group":
            return len({row["group"] for row in rows.values()})
        if self.folds is None or self.protocol == "official":
            return 1
        return self.folds**2 if self.protocol == "speaker+text" else self.folds


def split(
    rows: Mapping[str, dict], setting: SplitSetting, classes: bool = True
) -> dict[str, list[str]]:
    """Cut utterances into train, valid and test.

    Validation is taken from what the test fold leaves, by the same protocol: under a disjoint
    protocol no speaker (or group) stands in two parts. Under ``speaker+text`` only the test
    set's texts are kept apart; utterances that share either with it stand in no part.

    Where a fold leaves a class out of test or validation, another one is taken, or speakers
    are swapped, so that each has every class if that can be; :func:`absence` says what it means
    if it cannot. The groups of ``group`` and the parts of ``official`` are what they are, but
    for the group that validates.

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
        parts = _official(rows, ids, setting)
        _require_useful(rows, parts, setting)
        return parts
    fields = DISJOINT.get(setting.protocol, ())
    for field in fields:
        _require_field(rows, field)
    if setting.protocol == "group":
        train, valid, test = _groups(rows, ids, setting)
    else:
        train, valid, test = _folds(rows, ids, setting, fields)
    parts = {"train": train, "valid": valid, "test": test}
    _require_useful(rows, parts, setting)
    return parts


def absence(part: str, classes: Sequence[str]) -> str:
    """What it means that a part has no utterance of some classes.

    Examples
    --------
    >>> absence("valid", ["fear"])
    'The validation set has no utterance of fear; the epoch is chosen without it.'
    >>> absence("emodb", ["fear", "joy"])
    'The test set emodb has no utterance of fear, joy; its results do not cover them.'
    """
    what = "it" if len(classes) == 1 else "them"
    if part == "valid":
        said = f"The validation set {{}}; the epoch is chosen without {what}."
    else:
        said = f"The test set {part} {{}}; its results do not cover {what}."
    return said.format(f"has no utterance of {', '.join(classes)}")


def _groups(
    rows: Mapping[str, dict], ids: list[str], setting: SplitSetting
) -> tuple[list[str], list[str], list[str]]:
    groups = len({row["group"] for row in rows.values()})
    if groups < 3:
        raise SERError(f"split: group needs at least 3 groups; found only {groups}.")
    rest, test = leave_one_out(rows, ids, "group", setting.fold - 1)
    # The group after the test group (the last fold takes the first), or the next that leaves
    # no class out.
    others = [
        leave_one_out(rows, rest, "group", setting.fold - 1 + further, around=True)
        for further in range(groups - 1)
    ]
    train, valid = _whole(rows, others, "group", (1, 1), 0)
    return train, valid, test


def _folds(
    rows: Mapping[str, dict], ids: list[str], setting: SplitSetting, fields: tuple[str, ...]
) -> tuple[list[str], list[str], list[str]]:
    by = fields[0] if fields else None
    for field in fields or (None,):
        _require_enough(rows, field, setting.folds or 3)
    # Folds of speakers are drawn to balance the classes, which leaves little to chance:
    # without folds to choose from, the seed chooses.
    turn = 0 if setting.folds else setting.seed - 1
    share = setting.fractions[2]
    if setting.protocol == "speaker+text":
        folds = setting.folds or max(2, round(share**-0.5))
        cuts = [_cut(rows, ids, field, folds, setting) for field in fields]
        tests = cross(ids, cuts)
    else:
        folds = setting.folds or folds_for(share, rows, ids, by)
        tests = [rest_and(ids, taken) for taken in _cut(rows, ids, by, folds, setting)]
    if not 1 <= setting.fold <= len(tests):
        raise SERError(f"Bad fold {setting.fold}; expected 1 to {len(tests)}.")
    if setting.folds:
        rest, test = tests[setting.fold - 1]
    else:
        # Two speakers of every class are left, for training and for validation.
        swapped = setting.protocol != "speaker+text"
        rest, test = _whole(rows, tests, by, (2, 1), turn, swapped)
    return *_validation(rows, rest, by, setting, turn), test


def _validation(
    rows: Mapping[str, dict], rest: list[str], by: str | None, setting: SplitSetting, turn: int
) -> Sequence[list[str]]:
    """What is not tested on, cut into train and valid."""
    share = setting.fractions[1] / (setting.fractions[0] + setting.fractions[1])
    folds = folds_for(share, rows, rest, by)
    valids = [rest_and(rest, taken) for taken in cut(rows, rest, by, folds, setting.seed)]
    return _whole(rows, valids, by, (1, 1), turn, swapped=True)


def _cut(
    rows: Mapping[str, dict], ids: list[str], by: str | None, folds: int, setting: SplitSetting
) -> list[list[str]]:
    """Folds; where every one of them is tested, each with every class if that can be."""
    found = cut(rows, ids, by, folds, setting.seed)
    if setting.folds:
        found = exchange(rows, found, by, [1] * folds, _classes(rows, ids))
    return found


def _whole(
    rows: Mapping[str, dict],
    pairs: Sequence[Sequence[list[str]]],
    by: str | None,
    needs: tuple[int, int],
    turn: int,
    swapped: bool = False,
) -> Sequence[list[str]]:
    """The rest and the fold whose turn it is, or of a fold that leaves fewer classes out.

    Parameters
    ----------
    pairs : sequence of (rest, fold)
    needs : (int, int)
        How many speakers (or what ``by`` names) of a class the rest and the fold should have.
    turn : int
    swapped : bool
        Whether speakers may be swapped between the two where every fold leaves one out.
    """
    classes = _classes(rows, [i for part in pairs[0] for i in part])
    short = [lacking(rows, pair, by, needs, classes) for pair in pairs]
    place = turn % len(pairs)
    best = [n for n, count in enumerate(short) if count == min(short)]
    if place not in best:
        place = best[turn % len(best)]
    if short[place] and swapped:
        return exchange(rows, pairs[place], by, needs, classes)
    return pairs[place]


def _classes(rows: Mapping[str, dict], ids: Sequence[str]) -> list[str]:
    return sorted({rows[i]["emotion"] for i in ids} - {None})


def _official(
    rows: Mapping[str, dict], ids: list[str], setting: SplitSetting
) -> dict[str, list[str]]:
    """The corpus's own parts; validation is drawn from train where the corpus has none."""
    parts = {part: [i for i in ids if rows[i]["split"] == part] for part in PARTS}
    outside = len(ids) - sum(map(len, parts.values()))
    if 0 < outside < len(ids):
        raise SERError(
            f"{outside} utterances stand in no part of the corpus's official split; leave "
            "them out of the corpus or use split: speaker."
        )
    if parts["train"] and parts["test"] and not parts["valid"]:
        speakers = {rows[i]["speaker"] for i in parts["train"]}
        by = "speaker" if None not in speakers and len(speakers) > 1 else None
        train, valid = _validation(rows, parts["train"], by, setting, setting.seed - 1)
        parts.update(train=train, valid=valid)
        drawn = f"{len({rows[i]['speaker'] for i in valid})} of its {len(speakers)} speakers"
        logger.warning(
            "The corpus defines no official valid part: validation is drawn from its train "
            f"part, {drawn if by else 'by utterances, because it has no two known speakers'}."
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
    unit = by or "utterance"
    for emotion, members in sorted(of_class.items(), key=str):
        if len(members) < needed:
            raise SERError(
                f"{emotion or 'The corpus'} has only {len(members)} {unit}"
                f"{'s' * (len(members) > 1)}, too few to cut into {needed} parts by {unit}; "
                f"expected at least {needed}."
            )


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

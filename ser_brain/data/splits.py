"""Splits: which utterances train, validate and test, decided by a named protocol and a seed."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import get_logger
from ser_brain.data.folding import (
    chosen_pair,
    classes_of,
    crossed,
    cut,
    exchanged,
    folds_for,
    parted,
)

logger = get_logger(__name__)
ACROSS = ("corpus", "language")  # protocols whose test sets are whole corpora or languages
PROTOCOLS = ("random", "speaker", "speaker+text", "group", "official", *ACROSS)
TRAIN_ON = ("others", "one")

# Protocol -> fields that the test set shares with no other part.
DISJOINT = {"speaker": ("speaker",), "speaker+text": ("speaker", "text"), "group": ("group",)}
DISJOINT |= dict.fromkeys(ACROSS, ("speaker",))
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class SplitSetting:
    """How to split a corpus.

    Attributes
    ----------
    protocol : str
        ``random`` (speakers shared), ``speaker`` (disjoint speakers), ``speaker+text``
        (neither speakers nor texts of the test set occur in training or validation), ``group``
        (one session or dyad is the test set), ``official`` (the corpus's own; if it has no
        valid part, speakers of its train part validate), or ``corpus`` or ``language`` (one of
        those trained on is the test set, see :func:`ser_brain.data.transfer.split_across`).
    seed : int
        Without ``folds``, each seed draws another test set. Two seeds may test on the same
        speakers; only folds test on each of them once. With folds, the seed only decides among
        speakers that balance the classes equally well.
    fractions : (float, float, float)
        Shares of train, valid and test, where no folds are asked for.
    folds : int, optional
        Number of folds; for ``group``, ``corpus`` and ``language`` always the number of
        groups, corpora or languages; for ``speaker+text`` the
        number of speaker folds and of text folds, which are crossed: 3 makes 9 test sets.
    fold : int
        Which fold is the test set, from 1.
    train_on : str
        Of ``corpus`` and ``language``: ``others`` tests on fold ``fold`` and trains on the
        others, ``one`` trains on it alone and tests on the others.
    """

    protocol: str
    seed: int
    fractions: Sequence[float] = (0.8, 0.1, 0.1)
    folds: int | None = None
    fold: int = 1
    train_on: str = "others"

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise bad_value("split", self.protocol, PROTOCOLS)
        if self.train_on not in TRAIN_ON:
            raise bad_value("train_on", self.train_on, TRAIN_ON)
        if self.train_on == "one" and self.protocol not in ACROSS:
            raise SERError(
                f"train_on: one needs split: {' or '.join(ACROSS)}; found {self.protocol}."
            )
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
        if self.fold != 1 and self.folds is None and self.protocol not in ("group", *ACROSS):
            raise SERError(f"fold: {self.fold} needs folds; give --folds too.")

    def describe(self) -> str:
        """The split's name in a protocol, e.g. ``speaker-5fold-fold1``."""
        if self.protocol in ("group", *ACROSS):
            one = "one-" if self.train_on == "one" else ""
            return f"{one}{self.protocol}-fold{self.fold}"
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
    """Split utterances into train, valid and test.

    Validation is taken from what the test set leaves, by the same protocol: under a disjoint
    protocol no speaker (or group) is in two parts. Under ``speaker+text`` only the texts of the
    test set are kept apart; utterances that share either with it are in no part.

    If the fold whose turn it is lacks a class in test or validation, another fold is taken, or
    speakers are swapped, so that each part has every class where that is possible. The groups
    of ``group`` and the parts of ``official`` are never changed, except for the group that
    validates. :func:`absence` says what a missing class means.

    Parameters
    ----------
    rows : mapping
        id -> row with ``speaker``, ``group``, ``split`` and ``emotion``.
    setting : SplitSetting
    classes : bool
        Keep the classes in proportion and require that each can be learned; False where no
        class is learned.

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
    else:
        fields = DISJOINT.get(setting.protocol, ())
        for field in fields:
            _require_field(rows, field)
        if setting.protocol == "group":
            found = _groups(rows, ids, setting)
        else:
            found = _folds(rows, ids, setting, fields)
        parts = dict(zip(PARTS, found, strict=True))
    for part, members in parts.items():
        if not members:
            raise SERError(
                f"The {setting.describe()} split leaves nothing for {part}; "
                "use fewer folds or larger split_fractions."
            )
    trained = {rows[i]["emotion"] for i in parts["train"]}
    # Without a class, such as clips whose raters are divided, there is nothing to lose.
    lost = sorted({row["emotion"] for row in rows.values()} - trained - {None})
    if lost:
        raise SERError(
            f"The {setting.describe()} split leaves no {', '.join(lost)} to train "
            "on; use fewer folds or another seed."
        )
    return parts


def train_and_valid(
    rows: Mapping[str, dict], setting: SplitSetting, name: str, classes: bool = True
) -> Sequence[list[str]]:
    """Split a corpus that is not tested on: ids to train and to validate on.

    Speakers are kept apart, unless the corpus does not name two of them. ``name`` is the
    corpus's, for messages.

    Raises
    ------
    SERError
        If the corpus is too small to be split.
    """
    if not classes:
        rows = {i: {**row, "emotion": None} for i, row in rows.items()}
    by = _by_speaker({row["speaker"] for row in rows.values()})
    if by is None:
        logger.warning(
            f"{name} does not name two speakers, so some of its utterances validate, rather "
            "than some of its speakers."
        )
    try:
        return _validation(rows, sorted(rows), by, setting, setting.seed - 1)
    except SERError as error:
        raise SERError(f"{name} cannot be split into train and valid: {error}") from None


def _by_speaker(speakers: Collection[str | None]) -> str | None:
    """What to cut by: speakers if two are known and none is unknown, else utterances."""
    return "speaker" if None not in speakers and len(speakers) > 1 else None


def absence(part: str, classes: Sequence[str]) -> str:
    """What it means that a part has no utterance of some classes.

    Examples
    --------
    >>> absence("valid", ["fear"])
    'The validation set has no utterance of fear; the epoch is chosen without it.'
    >>> absence("emodb", ["fear", "joy"])
    'The test set emodb has no utterance of fear, joy; its results do not cover them.'
    """
    named, what = ", ".join(classes), "it" if len(classes) == 1 else "them"
    if part == "valid":
        part, outcome = "validation set", f"the epoch is chosen without {what}"
    else:
        part, outcome = f"test set {part}", f"its results do not cover {what}"
    return f"The {part} has no utterance of {named}; {outcome}."


def balanced_ids(
    rows: Mapping[str, dict], emotions: Sequence[str], seed: int, size: int | None = None
) -> list[str]:
    """Draw equally many ids of each class, in the order of ``rows``.

    ``size`` of each; by default as many as the smallest class has.

    Ids are ranked by the SHA-256 of seed and id: the draw is the same on every machine and with
    every version. Utterances of other classes are never drawn.

    Raises
    ------
    SERError
        If a class has no utterance, or fewer than ``size``.

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
            "Name only classes that occur, or test on all utterances."
        )

    def rank(utterance_id: str) -> str:
        return hashlib.sha256(f"{seed} {utterance_id}".encode()).hexdigest()

    smallest = min(counts[emotion] for emotion in emotions)
    if size is not None and size > smallest:
        raise SERError(
            f"Cannot draw {size} utterances of each class: the smallest has {smallest}."
        )
    size = size or smallest
    drawn: set[str] = set()
    for emotion in emotions:
        members = [i for i, row in rows.items() if row["emotion"] == emotion]
        drawn.update(sorted(members, key=rank)[:size])
    return [i for i in rows if i in drawn]


def _official(
    rows: Mapping[str, dict], ids: list[str], setting: SplitSetting
) -> dict[str, list[str]]:
    """The corpus's own parts; validation is drawn from train where the corpus has none."""
    parts = {part: [i for i in ids if rows[i]["split"] == part] for part in PARTS}
    outside = len(ids) - sum(map(len, parts.values()))
    if 0 < outside < len(ids):
        raise SERError(
            f"{outside} utterances are in no part of the corpus's official split; remove them "
            "from the corpus or use split: speaker."
        )
    if parts["train"] and parts["test"] and not parts["valid"]:
        speakers = {rows[i]["speaker"] for i in parts["train"]}
        by = _by_speaker(speakers)
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


def _groups(
    rows: Mapping[str, dict], ids: list[str], setting: SplitSetting
) -> Sequence[list[str]]:
    """Train, valid and test, where one group tests and the next one validates."""
    groups = sorted({row["group"] for row in rows.values()})
    if len(groups) < 3:
        raise SERError(f"split: group needs at least 3 groups; found only {len(groups)}.")
    if not 1 <= setting.fold <= len(groups):
        raise SERError(f"Bad fold {setting.fold}; expected 1 to {len(groups)}.")
    # The group after the test group (after the last one the first), or the next that has every
    # class.
    test_group, *others = groups[setting.fold - 1 :] + groups[: setting.fold - 1]
    test = [i for i in ids if rows[i]["group"] == test_group]
    rest = [i for i in ids if rows[i]["group"] != test_group]
    pairs = [parted(rest, [i for i in rest if rows[i]["group"] == other]) for other in others]
    return *chosen_pair(rows, pairs, "group", (1, 1), 0), test


def _folds(
    rows: Mapping[str, dict], ids: list[str], setting: SplitSetting, fields: tuple[str, ...]
) -> Sequence[list[str]]:
    """Train, valid and test, cut by speakers, by speakers and texts, or by utterances."""
    by = fields[0] if fields else None
    for field in fields or (None,):
        _require_enough(rows, field, setting.folds or 3)
    # Folds of speakers are cut to balance the classes, which leaves little to chance. Where the
    # user asks for no fold, the seed chooses one.
    turn = 0 if setting.folds else setting.seed - 1

    def cut_by(field: str | None, folds: int) -> list[list[str]]:
        found = cut(rows, ids, field, folds, setting.seed)
        if setting.folds:  # all of them will test: each with every class, if possible
            found = exchanged(rows, found, field, [1] * folds, classes_of(rows, ids))
        return found

    share = setting.fractions[2]
    if setting.protocol == "speaker+text":
        folds = setting.folds or max(2, round(share**-0.5))
        tests = crossed(ids, [cut_by(field, folds) for field in fields])
    else:
        folds = setting.folds or folds_for(share, rows, ids, by)
        tests = [parted(ids, fold) for fold in cut_by(by, folds)]
    if not 1 <= setting.fold <= len(tests):
        raise SERError(f"Bad fold {setting.fold}; expected 1 to {len(tests)}.")
    if setting.folds:
        rest, test = tests[setting.fold - 1]
    else:
        # Two speakers of every class must remain, for training and for validation.
        swapped = setting.protocol != "speaker+text"
        rest, test = chosen_pair(rows, tests, by, (2, 1), turn, swapped)
    return *_validation(rows, rest, by, setting, turn), test


def _validation(
    rows: Mapping[str, dict], rest: list[str], by: str | None, setting: SplitSetting, turn: int
) -> Sequence[list[str]]:
    """What is not tested on, split into train and valid."""
    share = setting.fractions[1] / (setting.fractions[0] + setting.fractions[1])
    folds = folds_for(share, rows, rest, by)
    valids = [parted(rest, fold) for fold in cut(rows, rest, by, folds, setting.seed)]
    return chosen_pair(rows, valids, by, (1, 1), turn, swapped=True)


def _require_field(rows: Mapping[str, dict], by: str) -> None:
    without = [i for i, row in rows.items() if row[by] is None]
    if without:
        raise SERError(
            f"split: {by} needs the {by} of every utterance; {len(without)} have none "
            f"({', '.join(without[:5])})."
        )


def _require_enough(rows: Mapping[str, dict], by: str | None, needed: int) -> None:
    """Every fold needs a speaker, and every class must be able to be in each part of a run.

    A class of fewer speakers than folds is missing from some test sets, which are named; all
    folds together have it.
    """
    of_class = defaultdict(set)
    for utterance_id, row in rows.items():
        of_class[row["emotion"]].add(utterance_id if by is None else row[by])
    unit = by or "utterance"
    everyone = {"The corpus": (set().union(*of_class.values()), needed)}
    classes = {str(e): (members, min(needed, 3)) for e, members in of_class.items() if e}
    for name, (members, least) in sorted({**classes, **everyone}.items()):
        if len(members) < least:
            fewer = f" Give --folds={len(members)}, or fewer." if len(members) > 2 else ""
            raise SERError(
                f"{name} has only {len(members)} {unit}{'s' * (len(members) > 1)}, too few to "
                f"cut into {needed} parts by {unit}; expected at least {least}.{fewer}"
            )

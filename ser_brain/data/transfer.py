"""Transfer: every corpus, or every language, is the test set once, or is trained on alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ser_brain.core.errors import SERError
from ser_brain.data.labelling import CorpusData
from ser_brain.data.splits import SplitSetting, train_and_valid

Rows = dict[str, dict]


def split_across(
    corpora: Sequence[CorpusData], setting: SplitSetting, classes: bool = True
) -> tuple[Rows, Rows, dict[str, Rows], int]:
    """Split corpora by what a clip is of: the protocols ``corpus`` and ``language``.

    Fold k tests on the k-th corpus (in the order of ``corpora``) or language (in alphabetical
    order) and trains on the others; with ``train_on: one`` it trains on the k-th and tests on
    the others. Validation is by speaker, within each corpus that is trained on; by clip where a
    corpus does not name its speakers. What the training corpora have of a speaker of the test
    set is left out. The rows to train on name their ``source``, so that
    :func:`ser_brain.data.weighting.emotion_weights` counts all sources alike.

    Parameters
    ----------
    corpora : sequence of CorpusData
        Those with ``use: test`` are tested on in every fold.
    setting : SplitSetting
    classes : bool
        Keep the classes in proportion; False where no class is learned.

    Returns
    -------
    train, valid : dict
        id -> row.
    tests : dict
        Test set -> (id -> row). A corpus of several languages has a test set for each of
        them, under the protocol ``language``.
    folds : int

    Raises
    ------
    SERError
        If there are fewer than two corpora or languages, or no such fold.
    """
    sources = _sources(corpora, setting.protocol)
    names = list(sources)
    if len(names) < 2:
        given = "lines of corpora to train on" if setting.protocol == "corpus" else "languages"
        raise SERError(
            f"split: {setting.protocol} needs two or more {given}; found only "
            f"{', '.join(map(str, names))}. Add one to corpora, or use split: speaker."
        )
    if not 1 <= setting.fold <= len(names):
        raise SERError(f"Bad fold {setting.fold}; expected 1 to {len(names)}.")
    chosen = names[setting.fold - 1]
    alone = setting.train_on == "one"
    tests = {
        name: rows
        for source, parts in sources.items()
        if (source == chosen) != alone
        for name, (_, rows) in parts.items()
    }
    tests |= {data.name: dict(data.rows) for data in corpora if data.setting.use == "test"}
    tested = {_person(row) for rows in tests.values() for row in rows.values()}
    train, valid = {}, {}
    for source, parts in sources.items():
        if (source == chosen) != alone:
            continue
        for name, (data, rows) in parts.items():
            kept = {
                i: {**row, "source": source}
                for i, row in rows.items()
                if row["speaker"] is None or _person(row) not in tested
            }
            data.leave_out("sharing a speaker with the test set", len(rows) - len(kept))
            if not kept:
                raise SERError(
                    f"{name} shares every speaker with the test set, so nothing of it is left "
                    "to train on. Name lines of corpora that have speakers of their own."
                )
            train_ids, valid_ids = train_and_valid(kept, setting, name, classes)
            train |= {i: kept[i] for i in train_ids}
            valid |= {i: kept[i] for i in valid_ids}
    return train, valid, tests, len(names)


def _sources(
    corpora: Sequence[CorpusData], protocol: str
) -> dict[str, dict[str, tuple[CorpusData, Rows]]]:
    """Corpus or language -> name of a part of it -> the corpus, and its rows of that part."""
    found: dict[str, dict[str, tuple[CorpusData, Rows]]] = {}
    for data in corpora:
        if data.setting.use != "train":
            continue
        if protocol == "corpus":
            found[data.name] = {data.name: (data, dict(data.rows))}
            continue
        of_language: dict[str, Rows] = defaultdict(dict)
        for i, row in data.rows.items():
            of_language[row["language"]][i] = row
        if None in of_language:
            raise SERError(
                f"split: language needs the language of every utterance; "
                f"{len(of_language[None])} of {data.name} have none. Give it when the corpus "
                "is prepared, or use split: corpus."
            )
        for language, rows in of_language.items():
            name = data.name if len(of_language) == 1 else f"{data.name}_{language}"
            found.setdefault(language, {})[name] = (data, rows)
    return dict(sorted(found.items())) if protocol == "language" else found


def _person(row: Mapping) -> tuple[str, str | None]:
    return row["corpus"], row["speaker"]

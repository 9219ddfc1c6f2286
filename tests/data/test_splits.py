"""Splits by every protocol."""

import warnings
from collections import Counter

import numpy as np
import pytest

from ser_brain.core.errors import SERError
from ser_brain.data.splits import PARTS, SplitSetting, balanced_ids, split

SIZES = {"anger": 9, "sadness": 4, "fear": 20}


def rows():
    return {
        f"{emotion}_{number}": {"emotion": emotion}
        for emotion, size in SIZES.items()
        for number in range(size)
    }


def test_as_many_of_each_class_as_the_smallest_has():
    drawn = balanced_ids(rows(), ["anger", "sadness"], seed=1)
    assert Counter(i.split("_")[0] for i in drawn) == {"anger": 4, "sadness": 4}
    assert drawn == [i for i in rows() if i in drawn]


def test_the_seed_decides_and_the_order_of_the_rows_does_not():
    turned = dict(reversed(rows().items()))
    draws = [frozenset(balanced_ids(rows(), ["anger", "sadness"], seed)) for seed in range(9)]
    assert len(set(draws)) > 3
    assert draws[3] == frozenset(balanced_ids(turned, ["sadness", "anger"], seed=3))


def test_a_class_without_utterances():
    with pytest.raises(SERError, match="Cannot balance the classes: .* labelled calm"):
        balanced_ids(rows(), ["anger", "calm"], seed=1)


EMOTIONS = ("anger", "happiness", "sadness")


def row(speaker, emotion, **facts):
    return {"speaker": speaker, "group": None, "split": None, "emotion": emotion, **facts}


def corpus(speakers=10, each=6, emotions=EMOTIONS):
    """``each`` utterances of each emotion by each speaker; two speakers form a group."""
    return {
        f"{speaker:02d}_{emotion}_{take}": row(
            f"s{speaker:02d}", emotion, group=f"g{speaker // 2}", split=PARTS[speaker % 3]
        )
        for speaker in range(speakers)
        for emotion in emotions
        for take in range(each)
    }


def values(rows, ids, key):
    return {rows[i][key] for i in ids}


def require_partition(rows, parts):
    assert list(parts) == list(PARTS)
    together = [i for part in parts.values() for i in part]
    assert sorted(together) == sorted(rows)  # Exact, and nothing twice.
    assert all(part == sorted(part) and part for part in parts.values())


def drawn(seed):
    """Speakers with different numbers of utterances of each emotion, drawn by a seed.

    Not by Hypothesis: it looks into every imported module, and SpeechBrain's lazy ones raise.
    """
    rng = np.random.default_rng(seed)
    return {
        f"{speaker}_{emotion}_{take}": row(f"s{speaker}", emotion, group=f"g{speaker % 4}")
        for speaker in range(rng.integers(6, 10))
        for emotion in EMOTIONS
        for take in range(rng.integers(1, 5))
    }


@pytest.mark.parametrize("protocol", ["random", "speaker", "group"])
@pytest.mark.parametrize("seed", range(8))
def test_every_protocol_is_an_exact_partition(protocol, seed):
    rows = drawn(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = split(rows, SplitSetting(protocol, seed, (0.6, 0.2, 0.2)))
    require_partition(rows, parts)
    assert values(rows, parts["train"], "emotion") == set(EMOTIONS)
    if protocol != "random":
        kept_apart = [values(rows, part, protocol) for part in parts.values()]
        assert sum(map(len, kept_apart)) == len(set.union(*kept_apart))


@pytest.mark.parametrize("protocol", ["random", "speaker", "group"])
@pytest.mark.parametrize("seed", range(4))
def test_the_folds_test_each_utterance_once(protocol, seed):
    rows, folds = drawn(seed), 4
    tested = Counter()
    for fold in range(1, folds + 1):
        asked = None if protocol == "group" else folds
        parts = split(rows, SplitSetting(protocol, seed, folds=asked, fold=fold))
        require_partition(rows, parts)
        tested.update(parts["test"])
    assert tested == Counter(rows.keys())


@pytest.mark.parametrize("protocol", ["random", "speaker"])
def test_the_seed_decides_and_nothing_else(protocol):
    rows = corpus()
    first = split(rows, SplitSetting(protocol, 1))
    assert split(dict(reversed(rows.items())), SplitSetting(protocol, 1)) == first
    others = [split(rows, SplitSetting(protocol, seed))["test"] for seed in (2, 3, 4)]
    assert any(other != first["test"] for other in others)


def test_the_shares_and_the_classes_are_as_asked():
    rows = corpus(speakers=20, each=10)
    parts = split(rows, SplitSetting("random", 1, (0.8, 0.1, 0.1)))
    assert values(rows, parts["train"], "speaker") & values(rows, parts["test"], "speaker")
    assert [len(part) for part in parts.values()] == [480, 60, 60]
    for part in parts.values():
        counts = Counter(rows[i]["emotion"] for i in part)
        assert len(set(counts.values())) == 1  # In proportion, so here equal.
    parts = split(rows, SplitSetting("speaker", 1, (0.6, 0.2, 0.2)))
    assert [len(values(rows, part, "speaker")) for part in parts.values()] == [12, 4, 4]


def test_group_leaves_one_out_and_validates_on_the_next_that_has_every_class():
    rows = corpus(speakers=8)  # g0 to g3
    for fold, (test, valid) in enumerate([(0, 1), (1, 2), (2, 3), (3, 0)], start=1):
        parts = split(rows, SplitSetting("group", 9, fold=fold))
        assert values(rows, parts["test"], "group") == {f"g{test}"}
        assert values(rows, parts["valid"], "group") == {f"g{valid}"}
    rows = {i: r for i, r in rows.items() if r["emotion"] != "anger" or r["group"] != "g1"}
    parts = split(rows, SplitSetting("group", 1))
    assert values(rows, parts["valid"], "group") == {"g2"}


def test_official_is_the_corpuss_own():
    rows = corpus()
    parts = split(rows, SplitSetting("official", 1))
    require_partition(rows, parts)
    for part, ids in parts.items():
        assert values(rows, ids, "split") == {part}
    for part in ("train", "test"):
        rest = {i: row for i, row in rows.items() if row["split"] != part}
        with pytest.raises(SERError, match=f"no official {part} part; use split: speaker"):
            split(rest, SplitSetting("official", 1))
    rows[next(iter(rows))]["split"] = None
    with pytest.raises(SERError, match="1 utterances are in no part of the corpus's official"):
        split(rows, SplitSetting("official", 1))


def official_without_validation(**changes):
    part = {"train": "train", "valid": "train", "test": "test"}
    return {i: {**row, "split": part[row["split"]], **changes} for i, row in corpus().items()}


def test_official_without_validation_takes_speakers_of_train(caplog):
    """Issue 13, 26: official train and test without validation were refused."""
    rows = official_without_validation()
    chosen = set()
    for seed in (1, 2, 3):
        parts = split(rows, SplitSetting("official", seed))
        require_partition(rows, parts)
        assert parts["test"] == [i for i in sorted(rows) if rows[i]["split"] == "test"]
        assert not values(rows, parts["train"], "speaker") & values(
            rows, parts["valid"], "speaker"
        )
        assert values(rows, parts["valid"], "emotion") == set(EMOTIONS)
        chosen.add(tuple(parts["valid"]))
    assert len(chosen) > 1
    assert "no official valid part: validation is drawn from its train part, 1 of its 7" in (
        caplog.text
    )


def test_official_without_speakers_validates_on_utterances(caplog):
    rows = official_without_validation(speaker=None)
    parts = split(rows, SplitSetting("official", 1))
    require_partition(rows, parts)
    assert values(rows, parts["valid"], "emotion") == set(EMOTIONS)
    assert "by utterances, because it has no two known speakers" in caplog.text


def test_clips_without_a_class_may_all_be_tested():
    rows = corpus()
    for row in rows.values():
        row["emotion"] = None if row["split"] == "test" else row["emotion"]
    parts = split(rows, SplitSetting("official", 1))
    assert {rows[i]["emotion"] for i in parts["test"]} == {None}


def test_every_class_must_be_left_to_train_on():
    rows = {
        i: row
        for i, row in corpus().items()
        if row["split"] != "train" or row["emotion"] != "anger"
    }
    with pytest.raises(SERError, match="The official split leaves no anger to train on"):
        split(rows, SplitSetting("official", 1))
    require_partition(rows, split(rows, SplitSetting("official", 1), classes=False))


def test_without_classes_rare_and_missing_labels_do_not_matter():
    rows = corpus(speakers=9)
    rare = next(iter(rows))
    rows = {i: {**row, "emotion": "calm" if i == rare else None} for i, row in rows.items()}
    setting = SplitSetting("speaker", 1, (0.6, 0.2, 0.2))
    require_partition(rows, split(rows, setting, classes=False))
    with pytest.raises(SERError, match="calm has only 1 speaker, too few"):
        split(rows, setting)


def test_too_few_speakers_of_a_class():
    rows = corpus()
    few = {
        i: row
        for i, row in rows.items()
        if row["emotion"] != "sadness" or row["speaker"] in ("s00", "s01")
    }
    match = "sadness has only 2 speakers, too few to cut into 3 parts by speaker; .* at least 3"
    with pytest.raises(SERError, match=match):
        split(few, SplitSetting("speaker", 1))
    with pytest.raises(SERError, match="sadness has only 2 speakers.* into 5 parts"):
        split(few, SplitSetting("speaker", 1, folds=5))
    require_partition(few, split(few, SplitSetting("random", 1)))


@pytest.mark.parametrize("protocol", ["random", "speaker"])
@pytest.mark.parametrize("each", [1, 2])
def test_a_corpus_smaller_than_its_shares_is_cut_as_finely_as_it_can_be(protocol, each):
    rows = corpus(speakers=4, each=each, emotions=("anger", "sadness"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        require_partition(rows, split(rows, SplitSetting(protocol, 1, (0.9, 0.05, 0.05))))


@pytest.mark.parametrize("fold", [0, 6])
def test_a_fold_out_of_range(fold):
    with pytest.raises(SERError, match=f"Bad fold {fold}; expected 1 to 5"):
        split(corpus(), SplitSetting("speaker", 1, folds=5, fold=fold))
    with pytest.raises(SERError, match=f"Bad fold {fold}; expected 1 to 5"):
        split(corpus(), SplitSetting("group", 1, fold=fold))


@pytest.mark.parametrize("by", ["speaker", "group"])
def test_the_field_a_protocol_needs(by):
    rows = corpus()
    for i in ("00_anger_0", "03_sadness_1"):
        rows[i][by] = None
    match = rf"split: {by} needs the {by} of every utterance; 2 have none \(00_anger_0, 03_"
    with pytest.raises(SERError, match=match):
        split(rows, SplitSetting(by, 1))


def test_too_few_groups():
    with pytest.raises(SERError, match="group needs at least 3 groups; found only 2"):
        split(corpus(speakers=4), SplitSetting("group", 1))


@pytest.mark.parametrize(
    "changes, match",
    [
        *(
            ({"fractions": bad}, r"Bad split_fractions \[.*\]; expected three shares")
            for bad in ((0.8, 0.1), (0.8, 0.1, 0.2), (0.9, 0.1, 0.0), (1.2, -0.1, -0.1))
        ),
        *(
            ({"folds": bad}, f"Bad folds {bad!r}; expected 2 or more, or null")
            for bad in (0, 1, -5, "five", 2.5)
        ),
        ({"fold": "a"}, "Bad fold 'a'; expected a number from 1"),
        ({"fold": 2}, "fold: 2 needs folds; give --folds too"),
        ({"protocol": "speakers"}, "Bad split 'speakers'; expected one of: speaker"),
    ],
)
def test_bad_settings(changes, match):
    with pytest.raises(SERError, match=match):
        SplitSetting(**{"protocol": "speaker", "seed": 1, **changes})


@pytest.mark.parametrize(
    "setting, text, count",
    [
        (SplitSetting("random", 1), "random", 1),
        (SplitSetting("random", 1, folds=4), "random-4fold-fold1", 4),
        (SplitSetting("speaker", 1, folds=5, fold=2), "speaker-5fold-fold2", 5),
        (SplitSetting("group", 1, folds=4, fold=2), "group-fold2", 5),
        (SplitSetting("official", 1, folds=5), "official", 1),
        (SplitSetting("speaker+text", 1, folds=3, fold=7), "speaker+text-3x3fold-fold7", 9),
    ],
)
def test_names_and_numbers_of_folds(setting, text, count):
    assert (setting.describe(), setting.fold_count(corpus())) == (text, count)


def classes_of(rows, parts):
    return [values(rows, part, "emotion") for part in parts.values()]


def test_a_class_that_few_speakers_have_stands_in_every_part():
    """Issue 13, no. 32: the test sets of seeds 1 to 4 had no utterance of it."""
    rows = corpus()
    rare = {"s02", "s05", "s07"}
    rows = {i: r for i, r in rows.items() if r["emotion"] != "sadness" or r["speaker"] in rare}
    tested = Counter()
    for seed in range(1, 13):
        parts = split(rows, SplitSetting("speaker", seed))
        require_partition(rows, parts)
        assert classes_of(rows, parts) == [set(EMOTIONS)] * 3
        tested.update(values(rows, parts["test"], "speaker"))
    assert tested.keys() == rare  # each in its turn


def test_speakers_are_swapped_where_no_fold_has_every_class():
    # Two to a fold: one has sadness, another one happiness, and they stand in two folds.
    sad, happy = {"s00", "s01", "s02"}, {"s03", "s04", "s05"}
    only = {"sadness": sad, "happiness": happy}
    rows = {
        i: row
        for i, row in corpus(speakers=20, each=2).items()
        if row["speaker"] in only.get(row["emotion"], {row["speaker"]})
    }
    for seed in range(1, 6):
        parts = split(rows, SplitSetting("speaker", seed))
        require_partition(rows, parts)
        assert classes_of(rows, parts) == [set(EMOTIONS)] * 3
        assert [len(values(rows, part, "speaker")) for part in parts.values()] == [16, 2, 2]


def test_every_fold_has_every_class():
    # Three folds by the cutter alone: one of them without fear, which four speakers have.
    rng = np.random.default_rng(37)
    rows = {}
    for speaker in range(int(rng.integers(6, 9))):
        for emotion in ("anger", "fear", "joy"):
            clips = rng.integers(0, 4) if emotion != "anger" else rng.integers(1, 6)
            for clip in range(int(clips)):
                rows[f"{speaker}_{emotion}_{clip}"] = row(f"s{speaker}", emotion)
    tested = Counter()
    for fold in (1, 2, 3):
        parts = split(rows, SplitSetting("speaker", 1, folds=3, fold=fold))
        require_partition(rows, parts)
        assert values(rows, parts["test"], "emotion") == {"anger", "fear", "joy"}
        tested.update(parts["test"])
    assert tested == Counter(rows.keys())


def test_a_random_split_has_every_class_in_every_part():
    rows = corpus(speakers=10, each=10)
    kept = [i for i in sorted(rows) if rows[i]["emotion"] == "sadness"][:3]
    rows = {i: r for i, r in rows.items() if r["emotion"] != "sadness" or i in kept}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(1, 12):
            parts = split(rows, SplitSetting("random", seed))
            require_partition(rows, parts)
            assert classes_of(rows, parts) == [set(EMOTIONS)] * 3


def test_splits_that_have_every_class_stay_what_they_were():
    rows = drawn(5)
    rows.pop("0_anger_0")
    tested = [
        sorted(values(rows, split(rows, SplitSetting("speaker", seed))["test"], "speaker"))
        for seed in range(1, 7)
    ]
    # Seeds 1 and 3 test on one speaker: classes tie, and the names decide (no. 35).
    assert tested == [["s6"], ["s7"], ["s6"], ["s2"], ["s3"], ["s7"]]


def test_too_few_speakers_are_not_called_utterances():
    rows = corpus(speakers=2)
    with pytest.raises(SERError, match="^Without the test set, one speaker is too few to cut"):
        split(rows, SplitSetting("speaker", 1, folds=2))
    # One utterance of each speaker: as many folds as the largest class has utterances.
    single = {f"{n}": row(f"s{n}", EMOTIONS[n % 3]) for n in range(12)}
    require_partition(single, split(single, SplitSetting("speaker", 1)))


def test_consecutive_seeds_test_on_other_speakers_even_where_balance_decides():
    # Speakers of different sizes leave the balanced folds no choice but one.
    rows = {
        f"s{speaker}_{emotion}_{clip}": row(f"s{speaker}", emotion)
        for speaker in range(10)
        for emotion in ("anger", "neutral")
        for clip in range(2 + speaker * (1 + (emotion == "anger")))
    }
    tested = [
        frozenset(
            rows[i]["speaker"]
            for i in split(rows, SplitSetting("speaker", seed, (0.6, 0.2, 0.2)))["test"]
        )
        for seed in range(1, 6)
    ]
    assert frozenset().union(*tested) == {f"s{speaker}" for speaker in range(10)}
    assert len(set(tested)) == 5


def crossed(speakers=6, texts=6):
    """Every speaker says every text in every emotion."""
    return {
        f"{speaker}_{text}_{emotion}": row(f"s{speaker}", emotion, text=f"t{text}")
        for speaker in range(speakers)
        for text in range(texts)
        for emotion in EMOTIONS
    }


def test_speaker_and_text_are_both_unseen_and_all_folds_test_each_utterance_once():
    rows, tested = crossed(), []
    setting = SplitSetting("speaker+text", 1, folds=3)
    assert setting.fold_count(rows) == 9
    for fold in range(1, 10):
        parts = split(rows, SplitSetting("speaker+text", 1, folds=3, fold=fold))
        tested += parts["test"]
        for other in ("train", "valid"):
            for field in ("speaker", "text"):
                shared = values(rows, parts[other], field) & values(rows, parts["test"], field)
                assert not shared
        assert not values(rows, parts["train"], "speaker") & values(
            rows, parts["valid"], "speaker"
        )
        assert len(parts["test"]) == 2 * 2 * 3
        assert len(parts["train"]) + len(parts["valid"]) == 4 * 4 * 3
    assert sorted(tested) == sorted(rows)


def test_speaker_and_text_without_folds():
    rows = crossed()
    parts = [split(rows, SplitSetting("speaker+text", seed))["test"] for seed in (1, 2, 3)]
    assert len({tuple(part) for part in parts}) == 3


def test_speaker_and_text_out_of_range_and_without_texts():
    with pytest.raises(SERError, match="Bad fold 10; expected 1 to 9"):
        split(crossed(), SplitSetting("speaker+text", 1, folds=3, fold=10))
    rows = {i: {**row, "text": None} for i, row in crossed().items()}
    with pytest.raises(SERError, match="needs the text of every utterance; 108 have none"):
        split(rows, SplitSetting("speaker+text", 1, folds=3))
    with pytest.raises(SERError, match="has only 2 texts, too few to cut into 3 parts by text"):
        split(crossed(texts=2), SplitSetting("speaker+text", 1, folds=3))

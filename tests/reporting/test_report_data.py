"""What a report tells about corpora, split and audit."""

from ser_brain.reporting.report_data import (
    absent,
    audit,
    corpora,
    known_speakers,
    not_audited,
    split_sizes,
    used,
)

CARD = {
    "title": "A corpus",
    "version": "2",
    "licence": "CC0",
    "citation": None,
    "languages": ["deu", "eng"],
    "synthetic": False,
    "known_bad": {"x_1": "silent"},
    "utterances": 1234,
    "damaged": {"unreadable": 2, "stray file": 3, "missing": 1},
    "same_audio": 3,
}


def fold(train, shared, lost):
    return {
        "train": ["a"] * train,
        "valid": ["b"],
        "tests": {"fake": ["c", "d"]},
        "audit": {"train-fake": {"speakers": {"count": shared, "examples": []}, "texts": 1}},
        "left_out": {"fake": lost},
        "corpora": {"fake": CARD},
    }


FOLDS = {"fold 1": fold(5, 0, {"without an emotion": 7}), "fold 2": fold(6, 2, {"balance": 3})}
ONE = {"run": FOLDS["fold 1"]}


def test_a_corpus_with_what_was_found_in_it():
    (corpus,) = corpora(ONE)
    assert corpus["title"] == "A corpus"
    assert corpus["facts"] == {"Version": "2", "Licence": "CC0", "Languages": "deu, eng"}
    assert corpus["findings"] == [
        "Excluded by the preparation: 2 unreadable, 3 stray files, 1 missing.",
        "Groups of utterances with the same audio: 3.",
        "Known to be broken in every copy: x_1 (silent).",
    ]
    # Sound corpora say so; unknown findings stay unsaid.
    splits = {"run": {"corpora": {"sound": {"damaged": {}, "same_audio": 0}, "unknown": {}}}}
    sound, unknown = corpora(splits)
    assert sound["findings"] == [
        "The preparation found no damaged, missing or stray file.",
        "No two utterances have the same audio.",
    ]
    assert (unknown["title"], unknown["facts"], unknown["findings"]) == ("unknown", {}, [])


def test_a_copy_that_is_not_a_full_one():
    card = {"damaged": {}, "differs": ["utterances 339 (535)", "intended fear 0 (69)"]}
    (corpus,) = corpora({"run": {"corpora": {"part": card}}})
    assert corpus["findings"] == [
        "The counts of this copy differ from a full copy (in brackets): utterances 339 (535), "
        "intended fear 0 (69).",
        "The preparation found no damaged or stray file.",
    ]
    assert corpora(ONE)[0]["differs"] == ""  # as in the split of an earlier version


def test_a_corpus_used_under_two_names_is_described_once():
    cards = {"fake_deu": CARD, "fake_eng": CARD | {"use": "test", "utterances": 5}}
    splits = {"run": {"corpora": cards}}
    assert len(corpora(splits)) == 1
    assert used(splits).rows == [
        ["fake_deu", "A corpus", None, None, 1234, None],
        ["fake_eng", "A corpus", "test only", None, 5, None],
    ]


def test_what_was_left_out():
    assert used(ONE).rows[0][-1] == "7 without an emotion"
    assert used(FOLDS).rows[0][-1] == "0 to 7 without an emotion, 0 to 3 balance"
    split = {"left_out": {"old": {"without an emotion": 2}, "whole": {}}}
    assert [row[-1] for row in used({"run": split}).rows] == ["2 without an emotion", None]
    assert corpora({"run": split}) == []


def test_a_part_without_a_class_is_named():
    lacking = {"valid": ["fear"], "fake": ["fear", "joy"]}
    one = {"run": {**FOLDS["fold 1"], "absent": lacking}}
    said = "The validation set has no utterance of fear; the epoch is chosen without it."
    assert absent(one) == [said]
    assert absent({**FOLDS, "fold 3": one["run"]}) == [
        f"fold 3: {said}",
        "fold 3: The test set fake has no utterance of fear, joy; its results do not cover "
        "them.",
    ]
    assert absent(FOLDS) == []


def test_sizes_and_audit_of_folds():
    table = split_sizes(FOLDS)
    assert table.head == ["Part", "fold 1", "fold 2"]
    assert table.rows == [["train", 5, 6], ["valid", 1, 1], ["test: fake", 2, 2]]
    assert split_sizes(ONE).head == ["Part", "Utterances"]
    table = audit(FOLDS)
    assert table.head == ["Parts", "Speakers", "Texts"]
    assert table.rows == [["train-fake", 2, 2]]
    assert "Summed over 2 folds." in table.caption and "Summed" not in audit(ONE).caption
    assert known_speakers(FOLDS) == ["fake"] and known_speakers(ONE) == []


def test_what_is_unknown_is_no_zero():
    unknown = {"count": 0, "examples": [], "unknown": [51, 13]}
    audits = {"train-fake": {"speakers": unknown, "texts": {**unknown, "unknown": [0, 0]}}}
    splits = {"run": {"audit": audits}}
    table = audit(splits)
    assert table.rows == [["train-fake", "0 known", 0]]
    assert "Not compared: speakers of 64 utterances, which are unknown." in table.caption
    assert not_audited(splits, ["texts"]) == "" and not_audited({}) == ""

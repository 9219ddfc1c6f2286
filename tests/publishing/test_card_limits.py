"""Limits follow from results."""

from math import log

import pytest

from ser_brain.core.files import read_json, write_json
from ser_brain.publishing.card_limits import limits
from tests.fake_run import EMOTIONS, rows
from tests.publishing.made_run import CORPUS, audit, corpus_rows, facts_of, write_run


def limits_of(run, **changes):
    facts = facts_of(run, **changes)
    return " ".join(limits(facts, list(facts.test_sets)))


def predicting(emotion, instead, some_rows):
    """The rows of a model that predicts ``instead`` for every clip of an emotion."""
    for row in some_rows:
        if row["emotion"] == emotion:
            row["log_probabilities"] = {
                e: log(0.97 if e == instead else 0.01) for e in EMOTIONS
            }
            row["predicted_emotion"] = instead
    return some_rows


def test_a_class_that_vanishes_is_named(tmp_path):
    some_rows = predicting("sadness", "neutral", rows(200))
    angry = [row for row in some_rows if row["emotion"] == "anger"]
    for n, row in enumerate(angry):  # a recall of 40 %, above chance
        predicting("anger", "anger" if n % 5 < 2 else "happiness", [row])
    total = sum(row["emotion"] == "sadness" for row in some_rows)
    found = limits_of(write_run(tmp_path, {"fake": some_rows}))
    expected = f"sadness (0% of {total}; 100% are predicted as neutral)"
    assert f"On fake it recognises these classes less often than chance (25%): {expected}." in (
        found
    )


def test_a_class_without_an_utterance_is_named(tmp_path):
    some_rows = [row for row in rows(100) if row["emotion"] != "sadness"]
    run = write_run(tmp_path, {"fake": some_rows})
    splits = read_json(run / "splits.json", "split") | {"absent": {"valid": ["anger"]}}
    write_json(run / "splits.json", splits)
    found = limits_of(run)
    assert "The test set fake has no utterance of sadness" in found
    assert "The validation set has no utterance of anger" in found


def test_a_model_that_guesses(tmp_path):
    some_rows = rows(200, speakers=8)
    for i, row in enumerate(some_rows):
        row["emotion"] = EMOTIONS[i % 4]
    found = limits_of(write_run(tmp_path, {"fake": some_rows}))
    assert "On fake it cannot be distinguished from guessing: UAR 0." in found


def test_a_good_model_is_not_blamed(tmp_path):
    some_rows = rows(200, speakers=12)
    for emotion in EMOTIONS:
        predicting(emotion, emotion, some_rows)
    found = limits_of(write_run(tmp_path, {"fake": some_rows}))
    for blame in ("guessing", "chance", "too often", "ECE", "speakers, too few", "rough"):
        assert blame not in found, blame


def test_the_fall_on_other_corpora(tmp_path):
    sets = {"fake": corpus_rows("fake"), "other": corpus_rows("other", seed=1)}
    facts = facts_of(write_run(tmp_path, sets))
    found = " ".join(limits(facts, list(sets)))
    values = {
        n: e["classification"]["metrics"]["uar"]["value"] for n, e in facts.test_sets.items()
    }
    assert f"of a training corpus: UAR {values['fake']:.3f}, CCC valence" in found
    assert f"On other corpora: UAR {values['other']:.3f}, CCC valence" in found
    audits = {"train-fake": audit(speakers=1), "valid-fake": audit()}
    known = facts_of(write_run(tmp_path / "known", sets, audits=audits))
    assert "On other corpora" not in " ".join(limits(known, list(sets)))


def test_a_model_of_one_corpus(tmp_path):
    expected = "It was trained on one corpus, fake, and tested on no other: on your own"
    assert expected in limits_of(write_run(tmp_path / "one"))
    sets = {"fake": corpus_rows("fake"), "other": corpus_rows("other", seed=1)}
    assert "trained on one corpus" not in limits_of(
        write_run(tmp_path / "tested_on_another", sets)
    )
    two = {"fake": CORPUS, "other": CORPUS}
    assert "trained on one corpus" not in limits_of(write_run(tmp_path / "two", corpora=two))


CONDITIONAL = [
    (
        "It was trained on synthetic speech",
        {"corpora": {"fake": {**CORPUS, "synthetic": True}}},
        {},
    ),
    ("These test sets are synthetic speech: fake.", {"synthetic": True}, {}),
    ("7 texts of fake also occur in training", {"audits": {"train-fake": audit(texts=7)}}, {}),
    ("fake: Only 2 speakers, too few", {"test_sets": {"fake": rows(60, speakers=2)}}, {}),
    ("Nobody rated valence", {}, {"card": {"vad_source": "prototypes"}}),
    ("arousal were not evaluated", {"test_sets": {"fake": rows(60, rated=False)}}, {}),
    ("on a scale from -1 to 1", {}, {"va_range": [-1.0, 1.0]}),
]


@pytest.mark.parametrize("words, run, changes", CONDITIONAL)
def test_each_limit_is_stated_where_it_holds(tmp_path, words, run, changes):
    assert words in limits_of(write_run(tmp_path / "run", **run), **changes)
    assert words not in limits_of(write_run(tmp_path / "another"))


def test_limits_of_every_model(tmp_path):
    found = limits_of(write_run(tmp_path))
    for words in (
        "tested on clips of 1.5 to 1.5 s",
        "Languages of the tests: German.",
        "Its input is mono at 16,000 Hz",
    ):
        assert words in found


def test_training_data_has_no_place_here(tmp_path):
    audits = {"train-fake": audit(utterances=3, texts=1)}
    found = limits_of(write_run(tmp_path, audits=audits))
    assert "On fake" not in found and "fake: " not in found

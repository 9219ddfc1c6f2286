"""What of a test set was heard in training."""

import pytest

from ser_brain.model_card.heard import heard, heard_by
from ser_brain.predictions import read_predictions
from ser_brain.runs import read_run
from tests.fake_run import write
from tests.model_card.made_run import audit, corpus_rows, write_run

CLEAN = {"train-x": audit(), "valid-x": audit(texts=4)}


@pytest.mark.parametrize(
    "changes, corpora, expected",
    [
        ({}, {"fake"}, "no"),
        ({"audit": {**CLEAN, "train-x": audit(audio=1)}}, set(), "CLIPS"),
        ({"audit": {**CLEAN, "valid-x": audit(utterances=1)}}, set(), "CLIPS"),
        ({"audit": {**CLEAN, "valid-x": audit(speakers=1)}}, set(), "speakers"),
        ({"audit": {}, "valid": ["fake_0007"]}, set(), "CLIPS"),
        ({"audit": {}}, {"fake"}, "not checked"),
        ({"audit": {}}, {"other"}, "no"),
    ],
)
def test_heard(tmp_path, changes, corpora, expected):
    predictions = read_predictions(write(tmp_path, "x"))
    splits = {"train": ["t"], "valid": ["v"], "audit": CLEAN, **changes}
    assert heard(splits, predictions, corpora) == expected


def test_a_role_is_believed(tmp_path):
    predictions = read_predictions(write(tmp_path, "x", role="train"))
    assert heard({"train": [], "valid": [], "audit": CLEAN}, predictions, set()) == "CLIPS"


def test_a_later_test_on_the_training_corpus_was_not_checked(tmp_path):
    run = write_run(tmp_path)
    write(run, "fake-rated", corpus_rows("fake"))
    write(run, "other", corpus_rows("other"))
    found = heard_by(read_run(run))
    assert found == {"fake": "no", "fake-rated": "not checked", "other": "no"}

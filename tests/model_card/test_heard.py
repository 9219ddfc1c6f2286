"""What of a test set was heard in training."""

import pytest

from ser_brain.model_card.heard import heard, heard_by
from ser_brain.predictions import read_predictions
from ser_brain.runs import read_run
from tests.fake_run import rows as fake_rows
from tests.fake_run import write
from tests.model_card.made_run import audit, corpus_rows, write_run

CLEAN = {"train-x": audit(), "valid-x": audit(texts=4)}

UNKNOWN = audit() | {"speakers": {"count": 0, "examples": [], "unknown": [3, 0]}}


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
        ({"audit": {}}, {"fake_deu"}, "not checked"),
        ({"audit": {**CLEAN, "valid-x": UNKNOWN}}, {"fake"}, "not checked"),
        ({"audit": {**CLEAN, "valid-x": UNKNOWN}}, {"other"}, "no"),
    ],
)
def test_heard(tmp_path, changes, corpora, expected):
    predictions = read_predictions(write(tmp_path, "x"))
    splits = {"train": ["t"], "valid": ["v"], "audit": CLEAN, **changes}
    assert heard(splits, predictions, corpora) == expected


def test_speakers_that_an_earlier_audit_did_not_know(tmp_path):
    rows = [{**row, "speaker": None} for row in fake_rows(9)]
    predictions = read_predictions(write(tmp_path, "x", rows))
    splits = {"train": ["t"], "valid": ["v"], "audit": CLEAN}
    assert heard(splits, predictions, {"fake"}) == "not checked"


def test_a_role_is_believed(tmp_path):
    predictions = read_predictions(write(tmp_path, "x", role="train"))
    assert heard({"train": [], "valid": [], "audit": CLEAN}, predictions, set()) == "CLIPS"


def test_a_later_test_on_the_training_corpus_was_not_checked(tmp_path):
    run = write_run(tmp_path)
    write(run, "fake-rated", corpus_rows("fake"))
    write(run, "other", corpus_rows("other"))
    found = heard_by(read_run(run))
    assert found == {"fake": "no", "fake-rated": "not checked", "other": "no"}

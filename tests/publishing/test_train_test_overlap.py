"""Every way in which a model may have seen its test set."""

import pytest

from ser_brain.evaluation.predictions import read_predictions
from ser_brain.evaluation.runs import read_run
from ser_brain.publishing.train_test_overlap import overlap_by_test_set, train_test_overlap
from tests.fake_run import rows, write
from tests.publishing.made_run import audit, corpus_rows, write_run

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
def test_the_audit_the_ids_and_the_corpus(tmp_path, changes, corpora, expected):
    predictions = read_predictions(write(tmp_path, "x"))
    splits = {"train": ["t"], "valid": ["v"], "audit": CLEAN, **changes}
    assert train_test_overlap(splits, predictions, corpora) == expected


def test_speakers_that_an_earlier_audit_did_not_know(tmp_path):
    unknown = [{**row, "speaker": None} for row in rows(9)]
    predictions = read_predictions(write(tmp_path, "x", unknown))
    splits = {"train": ["t"], "valid": ["v"], "audit": CLEAN}
    assert train_test_overlap(splits, predictions, {"fake"}) == "not checked"


def test_a_role_is_believed(tmp_path):
    predictions = read_predictions(write(tmp_path, "x", role="train"))
    splits = {"train": [], "valid": [], "audit": CLEAN}
    assert train_test_overlap(splits, predictions, set()) == "CLIPS"


def test_a_later_test_on_the_training_corpus_was_not_checked(tmp_path):
    run = write_run(tmp_path)
    write(run, "fake-rated", corpus_rows("fake"))
    write(run, "other", corpus_rows("other"))
    found = overlap_by_test_set(read_run(run))
    assert found == {"fake": "no", "fake-rated": "not checked", "other": "no"}

"""Every way in which a model may have seen its test set."""

import pytest

from ser_brain.evaluation.predictions import read_predictions
from ser_brain.evaluation.runs import read_run
from ser_brain.publishing.train_test_overlap import overlap_by_test_set, train_test_overlap
from tests.fake_run import rows, write
from tests.publishing.made_run import audit, corpus_rows, write_run

CLEAN = {"train-x": audit(), "valid-x": audit(texts=4)}
UNKNOWN = audit() | {"speakers": {"count": 0, "examples": [], "unknown": [3, 0]}}


NO_SPEAKERS = {"speaker": None}


@pytest.mark.parametrize(
    "changes, corpora, row, role, expected",
    [
        ({}, {"fake"}, {}, "test", "no"),
        ({"audit": {**CLEAN, "train-x": audit(audio=1)}}, set(), {}, "test", "CLIPS"),
        ({"audit": {**CLEAN, "valid-x": audit(utterances=1)}}, set(), {}, "test", "CLIPS"),
        ({"audit": {**CLEAN, "valid-x": audit(speakers=1)}}, set(), {}, "test", "speakers"),
        ({"audit": {}, "valid": ["fake_0007"]}, set(), {}, "test", "CLIPS"),
        ({"audit": {}}, {"fake"}, {}, "test", "not checked"),
        ({"audit": {}}, {"other"}, {}, "test", "no"),
        ({"audit": {}}, {"fake_deu"}, {}, "test", "not checked"),
        ({"audit": {**CLEAN, "valid-x": UNKNOWN}}, {"fake"}, {}, "test", "not checked"),
        ({"audit": {**CLEAN, "valid-x": UNKNOWN}}, {"other"}, {}, "test", "no"),
        # An earlier audit did not count unknown speakers.
        ({}, {"fake"}, NO_SPEAKERS, "test", "not checked"),
        ({}, set(), {}, "train", "CLIPS"),  # a role is believed
    ],
)
def test_the_audit_the_ids_and_the_corpus(tmp_path, changes, corpora, row, role, expected):
    some_rows = [{**each, **row} for each in rows(9)]
    predictions = read_predictions(write(tmp_path, "x", some_rows, role=role))
    splits = {"train": ["t"], "valid": ["v"], "audit": CLEAN, **changes}
    assert train_test_overlap(splits, predictions, corpora) == expected


def test_a_later_test_on_the_training_corpus_was_not_checked(tmp_path):
    run = write_run(tmp_path)
    write(run, "fake-rated", corpus_rows("fake"))
    write(run, "other", corpus_rows("other"))
    found = overlap_by_test_set(read_run(run))
    assert found == {"fake": "no", "fake-rated": "not checked", "other": "no"}

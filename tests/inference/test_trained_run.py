"""What a run knows of its model; test_export.py has a real run."""

import pytest

from ser_brain.errors import SERError
from ser_brain.files import write_json
from ser_brain.inference.trained_run import read_trained, training_data

FACTS = {"use": "train", "fingerprint": "0" * 64}
SPLITS = {
    "train": ["b", "a"],
    "valid": ["c"],
    "tests": {"x": ["d"]},
    "corpora": {"x": FACTS, "y": {"use": "test"}},
}


def test_training_data():
    found = training_data(SPLITS)
    assert (found["train"], found["valid"], found["corpora"]) == (2, 1, {"x": FACTS})


def test_the_sum_is_of_the_utterances_whatever_their_order():
    first = training_data(SPLITS)["sha256"]
    assert training_data({**SPLITS, "train": ["a", "b"]})["sha256"] == first
    assert training_data({**SPLITS, "train": ["a", "d"]})["sha256"] != first


def test_a_run_too_old_to_describe_its_corpora():
    assert training_data({"train": ["a"], "valid": []})["corpora"] == {}


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(SERError, match="is no run folder"):
        read_trained(tmp_path)


def test_a_run_that_goes_on_is_not_exported(tmp_path):
    write_json(tmp_path / "run.json", {"finished": False})
    with pytest.raises(SERError, match="results are not those of its checkpoint"):
        read_trained(tmp_path)


def test_a_folds_folder_is_exported_by_its_parts(tmp_path):
    write_json(tmp_path / "folds.json", {"parts": {"fold 1": "fold-1", "fold 2": "fold-2"}})
    with pytest.raises(SERError, match="several models; .* one of its parts: fold-1, fold-2"):
        read_trained(tmp_path)

"""Folders that an earlier version wrote still work.

``old_folders.tar.xz`` holds what version 0.1.0 wrote in November 2026, before the library's
modules were moved: an encoder, manifests, a run folder (without its report), the model exported
from it, and that model's scores of the corpus. The corpus itself is written anew.
"""

import csv
import tarfile
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from ser_brain.__main__ import main
from tests.tiny_corpus import write_corpus

EMOTIONS = ("anger", "happiness", "sadness", "neutral")
ARCHIVE = Path(__file__).parents[1] / "old_folders.tar.xz"


@pytest.fixture
def old(tmp_path, monkeypatch):
    """Unpack the folders into the working directory."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    write_corpus(tmp_path / "corpus", speakers=6, clips=1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ser(*arguments):
    """Run a command that must succeed."""
    assert main([str(argument) for argument in arguments]) == 0, arguments


def rows(file):
    """The rows of a CSV file, as dictionaries."""
    with open(file, encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_an_old_run_reports_verifies_and_evaluates(old):
    ser("report", "run")
    ser("verify", "run")
    ser("evaluate", "run", "--on", "manifests/tiny.json:intended")


def test_an_old_run_exports_the_weights_that_it_exported_then(old):
    ser("report", "run")
    ser("export", "run", "exported")
    then, now = load_file("model/model.safetensors"), load_file("exported/model.safetensors")
    assert then.keys() == now.keys()
    for name, weights in then.items():
        assert (weights == now[name]).all(), name


def test_an_old_model_verifies_and_scores_as_it_did(old):
    ser("verify", "model")
    ser("predict", "corpus", "--model", "model", "--out", "again.csv")
    then, now = rows("predicted.csv"), rows("again.csv")
    assert len(then) == len(now) == 24
    for expected, found in zip(then, now, strict=True):
        assert expected.keys() == found.keys()
        for column, cell in expected.items():
            if column.startswith("p_") or column in ("valence", "arousal"):
                assert float(found[column]) == pytest.approx(float(cell), abs=5e-6)
            else:
                assert found[column] == cell


def test_speechbrain_loads_an_old_model_as_it_did(old):
    from speechbrain.inference.interfaces import foreign_class

    interface = foreign_class(
        source="model", pymodule_file="custom_interface.py", classname="EmotionInterface"
    )
    for row in rows("predicted.csv"):
        probabilities, *_, emotion = interface.classify_file(row["file"])
        assert emotion == [row["emotion"]]
        expected = [float(row[f"p_{name}"]) for name in EMOTIONS]
        assert probabilities[0].tolist() == pytest.approx(expected, abs=5e-6)

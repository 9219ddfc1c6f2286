"""What one process writes to, the commands of a second leave alone."""

import os
import sys
from pathlib import Path

import pytest

import train
from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.core.lock import beside, held
from ser_brain.data.corpora import Target
from ser_brain.training import predict_corpus
from tests.tiny_corpus import settings, write_corpus

ROOT = Path(__file__).parents[2]
HERE = f"is in use by process {os.getpid()} on "


def test_train(tmp_path, monkeypatch, capsys):
    chosen = settings(write_corpus(tmp_path / "corpus"), tmp_path / "run")
    recipe = str(ROOT / "hparams" / "classification.yaml")
    monkeypatch.setattr(sys, "argv", ["train.py", recipe, *chosen])
    with held(tmp_path / "run" / ".lock", "it"):
        assert train.main() == 2
        assert not (tmp_path / "run" / "hyperparams.yaml").exists()
    assert f"error: {tmp_path}/run {HERE}" in capsys.readouterr().err


def test_evaluate(tmp_path, monkeypatch):
    monkeypatch.setattr(predict_corpus, "load_run", lambda *_: (None, None))
    (tmp_path / "splits.json").write_text('{"tests": {}}', encoding="utf-8")
    with held(tmp_path / ".lock", "it"), pytest.raises(SERError, match=HERE):
        predict_corpus.predict_on(tmp_path, [Target(tmp_path / "corpus.json")])


def test_export(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "hyperparams.yaml").touch()
    with held(tmp_path / ".model.lock", "it"):
        assert main(["export", str(tmp_path / "run"), str(tmp_path / "model")]) == 2
    assert f"error: {tmp_path}/model {HERE}" in capsys.readouterr().err


@pytest.mark.parametrize("where", [".", "model", "model/", "deep/../model"])
def test_a_name_and_its_lock(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    lock = beside(where)
    assert lock == (
        tmp_path.parent / f".{tmp_path.name}.lock" if where == "." else tmp_path / ".model.lock"
    )

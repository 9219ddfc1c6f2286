"""A trained run on further corpora, through ser evaluate."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep.common.prepare import prepare
from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json
from ser_brain.data.corpora import Target
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.training.predict_corpus import load_run, predict_on
from tests.tiny_corpus import run_train, settings, write_corpus


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    """A run folder, and the manifest of a corpus it has not seen."""
    home = tmp_path_factory.mktemp("trained")
    corpus = write_corpus(home / "tiny")
    other = write_corpus(home / "other", speakers=3, seed=1)
    (other / "s0_anger_0.wav").rename(other / "extra.wav")
    text = (other / "labels.csv").read_text()
    text = text.replace("s0_anger_0.wav,anger,s0,1.5,4.5", "extra.wav,anger,s0,1.5,4.5")
    text = text.replace("s1_anger_1.wav,anger", "s1_anger_1.wav,fear")
    (other / "labels.csv").write_text(text)
    assert run_train("multiobjective.yaml", *settings(corpus, home / "run")) == 0
    options = {"name": "other", "csv": "labels.csv", "vad_scale": [1, 5]}
    manifest, _ = prepare("table", other, home / "manifests", **options)
    return home / "run", manifest


@pytest.fixture
def run(trained, tmp_path) -> tuple[Path, Path]:
    """A copy of both, to change."""
    folder = shutil.copytree(trained[0], tmp_path / "run")
    return folder, trained[1]


def test_a_corpus_the_model_has_not_seen(run, capsys, monkeypatch):
    folder, manifest = run
    monkeypatch.setattr("ser_brain.core.log.SILENCE_S", 0.0)
    assert main(["evaluate", str(folder), "--on", str(manifest)]) == 0
    predictions = read_predictions(folder / "predictions" / "other.jsonl")
    assert len(predictions.ids) == 23  # 24 but for the one that is labelled fear
    card = predictions.card
    assert card["role"] == "test" and not card["synthetic"]
    assert card["protocol"].endswith("seed 1 on other/intended")
    valid = read_json(folder / "predictions" / "valid.card.json", "card")
    assert card["temperature"] == valid["temperature"] > 0
    said, log = capsys.readouterr()
    assert "tiny" in said and "other" in said
    assert f"{folder}: scoring 23 utterances of other\n" in log
    assert "scoring: 23 of 23 utterances\n" in log
    assert "other" in read_json(folder / "report" / "results.json", "results")["test_sets"]


def test_it_says_what_the_run_itself_said(run):
    """The run's own test clips, loaded from the checkpoint, get the scores of training."""
    folder, manifest = run
    own = read_predictions(folder / "predictions" / "tiny.jsonl")
    where = {"speaker": own.rows[0]["speaker"]}
    (name,) = predict_on(folder, [Target(manifest.with_name("tiny.json"), where=where)])
    again = read_predictions(folder / "predictions" / f"{name}.jsonl")
    assert again.card["role"] == "test"
    place = [own.ids.index(i) for i in again.ids]
    assert again.log_probs_NC == pytest.approx(own.log_probs_NC[place], abs=1e-5)
    assert again.predicted_values_NV == pytest.approx(own.predicted_values_NV[place], abs=1e-5)


def test_what_was_trained_on_is_marked(run):
    folder, manifest = run
    (name,) = predict_on(folder, [Target(manifest.with_name("tiny.json"))])
    card = read_json(folder / "predictions" / f"{name}.card.json", "card")
    assert card["role"] == "train"
    splits = read_json(folder / "splits.json", "splits")
    seen = len(splits["train"]) + len(splits["valid"])
    assert card["notes"] == f"{seen} of 48 utterances were trained or validated on."


def test_balanced_and_named_so(run):
    folder, manifest = run
    (name,) = predict_on(folder, [Target(manifest, balanced=True)])
    assert name == "other-balanced"
    predictions = read_predictions(folder / "predictions" / "other-balanced.jsonl")
    assert np.bincount(predictions.true_N).tolist() == [5, 5, 5, 5]
    assert predictions.card["protocol"].endswith(" on other/intended/balanced")


def test_recordings_that_are_missing_are_counted_before_the_model_runs(run, tmp_path):
    folder, manifest = run
    wrong = [Target(manifest, data_folder=tmp_path)]
    with pytest.raises(SERError, match="23 of 23 recordings are missing: .*--data_folder"):
        predict_on(folder, wrong)


def test_other_recordings_of_the_same_names(run, tmp_path):
    folder, manifest = run
    names = [f"{i.removeprefix('other_')}.wav" for i in read_json(manifest, "manifest")]
    for name in names:
        soundfile.write(tmp_path / name, np.full(16000, 0.1), 16000)
    with pytest.raises(SERError, match="is not the recording that .* it has 1.00 s, expected"):
        predict_on(folder, [Target(manifest, data_folder=tmp_path)])
    assert not (folder / "predictions" / "other.jsonl").exists()


def test_a_clip_that_the_run_would_not_take(run):
    folder, manifest = run
    settings = folder / "hyperparams.yaml"
    text = settings.read_text()
    settings.write_text(text.replace("max_clip_s: 60", "max_clip_s: 0.2"))
    with pytest.raises(SERError, match=r"^23 utterances are longer than max_clip_s \(0\.2 s\)"):
        predict_on(folder, [Target(manifest)])
    settings.write_text(re.sub("max_clip_s: .*", "", text))  # a run of before there was a limit
    assert predict_on(folder, [Target(manifest)]) == ["other"]


def test_predictions_of_the_same_model_and_manifest_are_kept(run):
    folder, manifest = run
    predict_on(folder, [Target(manifest)])
    path = folder / "predictions" / "other.jsonl"
    first = path.stat().st_mtime_ns
    predict_on(folder, [Target(manifest)])
    assert path.stat().st_mtime_ns == first
    card = path.with_name("other.card.json")
    changed = json.loads(card.read_text()) | {"checkpoint": "another"}
    card.write_text(json.dumps(changed))
    predict_on(folder, [Target(manifest)])
    assert path.stat().st_mtime_ns != first


def test_every_fold_predicts(run, tmp_path):
    folder, manifest = run
    folds = tmp_path / "folds"
    for part in ("a", "b"):
        shutil.copytree(folder, folds / part)
    (folds / "folds.json").write_text('{"parts": {"fold 1": "a", "fold 2": "b"}}')
    assert predict_on(folds, [Target(manifest)]) == ["other"]
    assert all((folds / part / "predictions" / "other.jsonl").is_file() for part in "ab")


def test_mistakes(run, tmp_path, capsys):
    folder, manifest = run
    with pytest.raises(SERError, match="is not a run folder: it contains no hyperparams.yaml"):
        load_run(tmp_path)
    with pytest.raises(SERError, match="No device 'cuda:7'"):
        load_run(folder, "cuda:7")
    with pytest.raises(SERError, match="Bad label source of other 'rated'"):
        predict_on(folder, [Target(manifest, "rated")])
    with pytest.raises(SERError, match="No folder .*; give its --data_folder"):
        predict_on(folder, [Target(manifest, data_folder=tmp_path / "gone")])
    shutil.rmtree(folder / "save")
    assert main(["evaluate", str(folder), "--on", str(manifest)]) == 2
    assert "No trained checkpoint in" in capsys.readouterr().err

"""The experiment of docs/adding_an_experiment.md trains, evaluates, exports and predicts."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import recipes
from data_prep.common.prepare import prepare
from ser_brain import EmotionRecognizer
from ser_brain.evaluation.predictions import read_predictions
from tests.tiny_corpus import TINY, epochs, loaded, write_corpus

ROOT = Path(__file__).parents[2]


@pytest.fixture
def documented(tmp_path):
    """The example experiment of docs/adding_an_experiment.md; its settings file."""
    page = (ROOT / "docs" / "adding_an_experiment.md").read_text(encoding="utf-8")
    code, text = (
        re.search(rf"```{kind}\n(.*?)```", page, re.S)[1] for kind in ("python", "yaml")
    )
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "smooth.py").write_text(code)
    file = tmp_path / "smooth.yaml"
    file.write_text(text.replace("base.yaml", str(ROOT / "hparams" / "base.yaml")))
    recipes.__path__.append(str(tmp_path / "recipes"))
    yield str(file)
    recipes.__path__.remove(str(tmp_path / "recipes"))
    sys.modules.pop("recipes.smooth", None)


def test_the_documented_experiment_trains_evaluates_exports_and_predicts(
    documented, train_in, corpus, tmp_path, ser
):
    """A loss of another name, and a setting of its own."""
    folder, _ = train_in("run", recipe=documented, smoothing=0.2, balanced=True)
    predictions = read_predictions(folder / "predictions" / "tiny.jsonl")
    assert predictions.card["protocol"] == "tiny/speaker/intended/4-class/balanced/seed 1"
    assert "smoothing: 0.2" in (folder / "hyperparams.yaml").read_text()
    assert epochs(folder)[0]["valid"].keys() == {"loss", "smooth_nll", "error_rate", "uar"}
    page = (folder / "report" / "index.html").read_text()
    assert "smooth nll" in page and page.count(">Loss<") == 0

    other, cpu = write_corpus(tmp_path / "other", speakers=2, seed=1), ["--device", "cpu"]
    prepare("table", other, tmp_path / "manifests", name="other", **TINY)
    ser("evaluate", folder, "--on", tmp_path / "manifests/other.json", *cpu)
    ser("verify", folder)
    ser("export", folder, tmp_path / "model")
    said = ser("predict", corpus / "s0_anger_0.wav", "--model", tmp_path / "model", *cpu)
    assert re.search(r"s0_anger_0\.wav.* anger ", said.out)

    splits = loaded(folder / "splits.json")
    splits["protocol"] = "tiny/speaker/intended//seed 1"  # as an earlier version wrote it
    (folder / "splits.json").write_text(json.dumps(splits))
    ser("export", folder, tmp_path / "old")
    recognizer = EmotionRecognizer.from_pretrained(tmp_path / "old", device="cpu")
    assert recognizer.emotions == list(predictions.card["emotions"])


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"emotions": "[anger, contempt]"}, "labelled contempt"),
        ({"smothing": "0.3"}, "Unknown setting 'smothing' in --smothing; the nearest are: smo"),
    ],
)
def test_the_documented_experiment_is_checked_as_any(documented, train_in, changes, said):
    """No check for empty classes; misspelt keys still count."""
    assert said in train_in("run", recipe=documented, code=2, **changes)[1]


def test_a_brain_predicts_what_it_declares(documented, train_in, tmp_path):
    """What an experiment learns is declared, and held to."""
    recipe = tmp_path / "recipes" / "smooth.py"
    for declared, said in (
        ('("emotion", "valence_arousal")', "gives log_probabilities, expected: log_pr"),
        ("()", "Bad tasks () of SmoothBrain"),
    ):
        recipe.write_text(re.sub(r"tasks = .*", f"tasks = {declared}", recipe.read_text()))
        sys.modules.pop("recipes.smooth", None)
        assert said in train_in("run", recipe=documented, code=2)[1]

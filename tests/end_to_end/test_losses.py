"""Losses, labels and drawing as settings of the experiments, on a corpus of tones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.common.prepare import prepare
from ser_brain.core.files import sha256_of
from ser_brain.evaluation.predictions import read_predictions
from tests.tiny_corpus import epochs, run_train, settings, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("tiny"))


def run(recipe, corpus, folder, **chosen) -> int:
    return run_train(f"{recipe}.yaml", *settings(corpus, folder, **chosen))


@pytest.mark.parametrize(
    "recipe, chosen",
    [
        ("classification", {"loss_weights": "{focal: 1.0}", "sampling": "balanced"}),
        ("classification", {"label_smoothing": 0.1, "class_weights": "balanced"}),
        ("classification", {"class_weights": "{anger: 2.0}", "batching": "dynamic"}),
        ("regression", {"loss_weights": "{ccc: 1.0}", "validation_metric": "ccc"}),
        ("regression", {"loss_weights": "{ccc: 0.5, mae: 0.5, mse: 0.0}"}),
        ("multiobjective", {"loss_weights": "{focal: 1.0, ccc: 1.0}", "batching": "dynamic"}),
    ],
)
def test_each_setting_trains(recipe, chosen, corpus, tmp_path):
    folder = tmp_path / "run"
    assert run(recipe, corpus, folder, number_of_epochs=4, **chosen) == 0
    log = epochs(folder)
    assert log[-1]["train"]["loss"] < log[0]["train"]["loss"]
    named = chosen.get("loss_weights", "{nll: 1.0}").strip("{}").split(", ")
    assert {pair.split(":")[0] for pair in named} == log[0]["train"].keys() - {"loss"}


@pytest.mark.parametrize("batching", ["random", "dynamic"])
def test_a_run_that_goes_on_ends_as_one_that_was_never_interrupted(batching, corpus, tmp_path):
    chosen = {"batching": batching, "sampling": "balanced", "class_weights": "null"}
    chosen |= {"loss_weights": "{nll: 1.0, ccc: 1.0}", "batch_size": 4}
    folders = tmp_path / "straight", tmp_path / "parts"
    for folder, count in ((folders[0], 3), (folders[1], 1), (folders[1], 3)):
        more = {**chosen, "number_of_epochs": count}
        assert run("multiobjective", corpus, folder, **more) == 0
    straight, parts = (
        [(line["train"], line["valid"]) for line in epochs(folder)] for folder in folders
    )
    assert straight == parts
    ours, theirs = (read_predictions(f / "predictions" / "tiny.jsonl") for f in folders)
    assert np.array_equal(ours.log_probs_NC, theirs.log_probs_NC)


@pytest.fixture
def rated(corpus, tmp_path):
    """Write the corpus's manifest with three raters of each clip.

    Of each speaker's first angry clip there are two, divided between anger and sadness.
    """
    options = {"name": "tiny", "csv": "labels.csv", "vad_scale": [1, 5]}
    manifest, _ = prepare("table", corpus, tmp_path / "manifests", **options)
    entries = json.loads(manifest.read_text())
    for name, entry in entries.items():
        label = entry["labels"]["intended"]
        label["votes"] = {label["emotion"]: 2, "other": 1}
        if name.endswith("anger_0"):
            label |= {"emotion": None, "votes": {"anger": 1, "sadness": 1}}
    manifest.write_text(json.dumps(entries))
    card = manifest.with_suffix(".card.json")
    content = json.loads(card.read_text()) | {"manifest_sha256": sha256_of(manifest)}
    card.write_text(json.dumps(content))
    return corpus


@pytest.mark.parametrize("loss", ["soft_ce", "kl"])
def test_votes_are_trained_on_and_divided_raters_with_them(loss, rated, tmp_path):
    folder = tmp_path / "run"
    chosen = {"loss_weights": f"{{{loss}: 1.0}}", "required_label": "votes"}
    assert run("classification", rated, folder, **chosen) == 0
    splits = json.loads((folder / "splits.json").read_text())
    divided = [i for i in splits["train"] if i.endswith("anger_0")]
    assert divided and splits["left_out"] == {"tiny": {}}
    predictions = read_predictions(folder / "predictions" / "tiny.jsonl")
    without = {row["id"] for row in predictions.rows if row["emotion"] is None}
    assert without == {i for i in splits["tests"]["tiny"] if i.endswith("anger_0")}
    assert "temperature" not in predictions.card  # which single labels would make too small
    results = json.loads((folder / "report" / "results.json").read_text())
    assert list(results["test_sets"]) == ["tiny"]


def test_agreement_weighs_and_divided_raters_are_left_out(rated, tmp_path):
    folder = tmp_path / "run"
    assert run("classification", rated, folder, agreement_weights=True) == 0
    splits = json.loads((folder / "splits.json").read_text())
    assert splits["left_out"] == {"tiny": {"without agreement": 6}}


@pytest.mark.parametrize(
    "chosen, said",
    [
        (
            {"sampling": "balanced", "class_weights": "balanced"},
            "would correct for rare classes twice",
        ),
        ({"class_weights": "{fear: 2.0}"}, "Bad class in class_weights 'fear'"),
        (
            {"loss_weights": "{focal: 1.0}", "label_smoothing": 0.1},
            "label_smoothing has no effect on the losses focal",
        ),
        ({"loss_weights": "{soft_ce: 1.0}"}, "The loss soft_ce needs raters' votes"),
        ({"agreement_weights": True}, "no utterance to train on has raters' votes"),
        ({"loss_weights": "{ccc: 1.0}"}, "this experiment's losses are: nll, focal"),
        ({"loss_weights": "{nll: 0.0}"}, "nothing would be trained"),
    ],
)
def test_what_cannot_be_is_one_line(chosen, said, corpus, tmp_path, capsys):
    assert run("classification", corpus, tmp_path / "run", **chosen) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_what_cannot_be_adapted_is_found_before_training(corpus, tmp_path, capsys):
    assert run("regression", corpus, tmp_path / "run", adaptation="speaker") == 2
    assert "adapts the emotion head, and the experiment regression" in capsys.readouterr().err
    assert not (tmp_path / "run" / "run.json").exists()

"""Any of valence, arousal and dominance, from the table to a scored file."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from ser_brain.__main__ import main
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.inference.onnx import OnnxModel
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.publishing import custom_interface
from tests.tiny_corpus import run_train, settings, write_corpus

THREE = ["valence", "arousal", "dominance"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Rated for dominance too; the first clip of each speaker and emotion for valence alone."""
    folder = write_corpus(tmp_path_factory.mktemp("rated"))
    with open(folder / "labels.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["dominance"] = row["arousal"]
        if row["text"] == "t0":
            row["arousal"] = row["dominance"] = ""
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return folder


def ser(*arguments):
    assert main([str(argument) for argument in arguments]) == 0, arguments


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """Run folders of a model of three dimensions, and of one."""
    folder = tmp_path_factory.mktemp("runs")
    chosen = {"three": ["regression", THREE], "one": ["multiobjective", ["dominance"]]}
    for name, (recipe, dimensions) in chosen.items():
        named = f"[{','.join(dimensions)}]"
        arguments = settings(corpus, folder / name, dimensions=named)
        assert run_train(f"{recipe}.yaml", *arguments) == 0
    return folder


def test_each_dimension_counts_where_it_is_rated(trained):
    found = read_predictions(trained / "three/predictions/tiny.jsonl")
    assert found.dimensions == tuple(THREE) and found.predicted_values_NV.shape[1] == 3
    rated = [np.isfinite(found.rated(name)).sum() for name in THREE]
    assert rated == [len(found.ids), len(found.ids) // 2, len(found.ids) // 2]
    results = json.loads((trained / "three/report/results.json").read_text("utf-8"))
    assert results["test_sets"]["tiny"]["dimensions"] == THREE
    assert results["test_sets"]["tiny"]["regression"]["dominance"]["n"] == rated[2]
    page = (trained / "three/report/index.html").read_text("utf-8")
    assert "Valence, arousal and dominance" in page

    found = read_predictions(trained / "one/predictions/tiny.jsonl")
    assert found.predicted("valence") is None and found.predicted("dominance").shape
    assert list(found.rows[0])[-1] == "predicted_dominance"
    splits = json.loads((trained / "one/splits.json").read_text("utf-8"))
    assert "/4-class+dominance/" in splits["protocol"]


@pytest.mark.parametrize("name, columns", [("three", THREE), ("one", ["dominance"])])
def test_an_exported_model_gives_the_same_everywhere(name, columns, trained, corpus, tmp_path):
    folder = tmp_path / "model"
    ser("export", trained / name, folder, *(["--onnx"] if name == "three" else []))
    ser("verify", folder)
    wave_S = 0.1 * torch.randn(8000, generator=torch.Generator().manual_seed(0))
    recognizer = EmotionRecognizer.from_pretrained(folder, device="cpu")
    row = recognizer.predict(wave_S.numpy(), 16_000)
    ours = [row[dimension] for dimension in columns]
    assert list(recognizer.dimensions) == columns

    interface = custom_interface.EmotionModel()
    interface.read(folder / "config.json", folder / "model.safetensors")
    theirs = interface(wave_S)["valence_arousal"].tolist()
    assert theirs == pytest.approx(ours, abs=1e-5)
    if name == "three":
        graph = OnnxModel(folder / "model.onnx")
        theirs = graph(wave_S[None].numpy(), np.array([8000]))["valence_arousal"][0]
        assert theirs.tolist() == pytest.approx(ours, abs=1e-5)
        assert graph.facts["dimensions"] == columns
    ser("predict", corpus / "s0_anger_0.wav", "--model", folder, "--out", tmp_path / "p.csv")
    with open(tmp_path / "p.csv", encoding="utf-8", newline="") as file:
        assert [key for key in next(csv.DictReader(file)) if key in THREE] == columns


@pytest.mark.parametrize(
    "chosen, said",
    [
        (
            {"dimensions": "[arousal, valence]"},
            "Bad dimensions ['arousal', 'valence']; expected a list of some of valence, "
            "arousal, dominance, in this order.",
        ),
        ({"dimensions": "[]"}, "Bad dimensions []; expected"),
        (
            {"dimensions": "[dominance]", "vad_source": "prototypes"},
            "vad_source: prototypes has no dominance, only valence and arousal.",
        ),
    ],
)
def test_refusals(chosen, said, corpus, tmp_path, capsys):
    arguments = settings(corpus, tmp_path / "run", **chosen)
    assert run_train("multiobjective.yaml", *arguments) == 2
    assert said in capsys.readouterr().err


def test_a_dimension_that_nobody_rated(tmp_path, capsys):
    corpus = write_corpus(tmp_path / "tones")
    arguments = settings(corpus, tmp_path / "run", dimensions=f"[{','.join(THREE)}]")
    assert run_train("multiobjective.yaml", *arguments) == 2
    said = "No training utterance has dominance. Give --dimensions=[valence,arousal]."
    assert said in capsys.readouterr().err

"""Classes that only a corpus's card knows, from the table to a scored file."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from ser_brain.__main__ import main
from ser_brain.evaluation.predictions import read_predictions
from tests.tiny_corpus import run_train, settings, write_corpus

OWN = {"anger": "confusion", "happiness": "Mitgefühl"}
CLASSES = ["confusion", "Mitgefühl", "sadness", "neutral"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = write_corpus(tmp_path_factory.mktemp("tones"))
    text = (folder / "labels.csv").read_text(encoding="utf-8")
    for known, own in OWN.items():
        text = text.replace(f",{known},", f",{own},")
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return folder


def run(recipe, corpus, folder, own="[confusion, Mitgefühl]", **chosen) -> int:
    options = f"{{name: tiny, csv: labels.csv, vad_scale: [1, 5], own_emotions: {own}}}"
    line = f"[{{corpus: table, data_folder: '{corpus}', options: {options}}}]"
    chosen = {"corpora": line, "emotions": f"[{', '.join(CLASSES)}]", **chosen}
    return run_train(f"{recipe}.yaml", *settings(corpus, folder, **chosen))


def ser(*arguments) -> None:
    assert main([str(argument) for argument in arguments]) == 0, arguments


def test_from_the_table_to_a_scored_file(corpus, tmp_path):
    folder = tmp_path / "run"
    assert run("multiobjective", corpus, folder) == 0
    manifest = tmp_path / "manifests" / "tiny.json"
    card = json.loads(manifest.with_suffix(".card.json").read_text(encoding="utf-8"))
    assert card["own_emotions"] == ["confusion", "Mitgefühl"]
    assert card["counts"]["emotions"]["intended"]["confusion"] == 12

    predictions = read_predictions(folder / "predictions" / "tiny.jsonl")
    assert predictions.card["emotions"] == CLASSES
    assert {row["emotion"] for row in predictions.rows} == set(CLASSES)
    assert "Mitgefühl" in (folder / "report" / "index.html").read_text(encoding="utf-8")

    ser("verify", folder)
    ser("evaluate", folder, "--on", manifest)
    ser("export", folder, tmp_path / "model")
    ser("verify", tmp_path / "model")
    ser("predict", corpus, "--model", tmp_path / "model", "--out", tmp_path / "scores.csv")
    with open(tmp_path / "scores.csv", encoding="utf-8", newline="") as file:
        scored = list(csv.DictReader(file))
    assert len(scored) == 48 and {f"p_{name}" for name in CLASSES} <= scored[0].keys()

    ser("embed", manifest, "--run", folder, "--out", tmp_path / "embedded")
    lines = (tmp_path / "embedded/predictions/tiny.jsonl").read_text(encoding="utf-8")
    assert {json.loads(line)["emotion"] for line in lines.splitlines()} == set(CLASSES)


@pytest.mark.parametrize(
    "chosen, said",
    [
        (
            {"own": "[confusion]"},
            r"1 emotion codes without a meaning: Mitgefühl \(12 rows\)\. .*, or declare "
            "classes of your own with --own_emotions",
        ),
        ({"own": "[confusion, Mitgefühl, 'no good']"}, "Bad class 'no good' in --own_emotions"),
        (
            {"emotions": "[confusio, sadness]"},
            "Bad emotion 'confusio'; expected one of: confusion",
        ),
        (
            {"vad_source": "prototypes"},
            "vad_source: prototypes has no point for confusion, a corpus's own class",
        ),
    ],
)
def test_what_is_not_declared_or_has_no_place(chosen, said, corpus, tmp_path, capsys):
    assert run("multiobjective", corpus, tmp_path / "run", **chosen) == 2
    error = capsys.readouterr().err
    assert re.search(said, error) and "Traceback" not in error


def test_own_classes_are_merged_like_others(corpus, tmp_path):
    chosen = {"emotions": "[confusion, neutral]", "vad_source": "prototypes"}
    chosen |= {"emotion_map": "{confusion: anger, Mitgefühl: anger, sadness: neutral}"}
    chosen |= {"emotions": "[anger, neutral]"}
    assert run("multiobjective", corpus, tmp_path / "run", **chosen) == 0
    predictions = read_predictions(tmp_path / "run" / "predictions" / "tiny.jsonl")
    assert {row["emotion"] for row in predictions.rows} == {"anger", "neutral"}

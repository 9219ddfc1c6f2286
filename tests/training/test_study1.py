"""Study 1's three recipes on a small IEMOCAP tree in the real layout, with a tiny encoder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_brain.evaluation.predictions import read_predictions
from tests.models.test_encoders_loading import saved
from tests.tiny_corpus import run_train

CODES = ("ang", "hap", "exc", "sad", "neu", "fru", "xxx")
TURNS = 3  # of each code, by each speaker


@pytest.fixture(scope="module")
def iemocap(tmp_path_factory) -> Path:
    """Five sessions of one dialog with two speakers; every turn is rated."""
    folder = tmp_path_factory.mktemp("IEMOCAP")
    generator = np.random.default_rng(0)
    for session in range(1, 6):
        dialog = f"Ses0{session}F_impro01"
        base = folder / f"Session{session}"
        wavs = base / "sentences" / "wav" / dialog
        wavs.mkdir(parents=True)
        evaluation = base / "dialog" / "EmoEvaluation" / f"{dialog}.txt"
        evaluation.parent.mkdir(parents=True)
        lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        for sex in "FM":
            for number, code in enumerate(CODES * TURNS):
                turn = f"{dialog}_{sex}{number:03d}"
                point = ", ".join(f"{value:.4f}" for value in generator.uniform(1, 5, 3))
                lines += [
                    f"[{number}.0000 - {number}.5000]\t{turn}\t{code}\t[{point}]",
                    "C-E2:\tNeutral;\t()",
                    "A-E3:\tval 3; act 2; dom  2;\t()",
                    "",
                ]
                noise = 0.1 * generator.standard_normal(8000)
                soundfile.write(wavs / f"{turn}.wav", noise, 16000)
        evaluation.write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory) -> Path:
    """A wav2vec 2.0 of the base architecture, tiny and random, saved as the hub has it."""
    folder = tmp_path_factory.mktemp("wav2vec2")
    saved(folder, "wav2vec2-base")
    return folder


@pytest.mark.parametrize(
    ("recipe", "codes", "protocol"),
    [
        ("classification", 5, "4-class"),
        ("regression", 7, "valence-arousal"),
        ("multiobjective", 5, "4-class+valence-arousal"),
    ],
)
def test_study_1_runs_as_described(recipe, codes, protocol, iemocap, wav2vec2, tmp_path):
    arguments = [
        f"--data_folder={iemocap}",
        f"--encoder_source={wav2vec2}",
        f"--output_folder={tmp_path / 'run'}",
        f"--manifest_folder={tmp_path / 'manifests'}",
        "--number_of_epochs=1",
    ]
    assert run_train(f"iemocap/{recipe}.yaml", *arguments) == 0

    splits = json.loads((tmp_path / "run" / "splits.json").read_text())
    utterances = 5 * 2 * TURNS * codes  # excitement is happiness; the rest is for regression
    parts = [len(splits["train"]), len(splits["valid"]), len(splits["tests"]["iemocap"])]
    assert sum(parts) == utterances
    assert parts[0] == pytest.approx(0.8 * utterances, abs=8)
    assert parts[1] == pytest.approx(0.1 * utterances, abs=8)
    assert splits["protocol"] == f"iemocap/random/consensus/{protocol}/seed 1"

    predictions = read_predictions(tmp_path / "run" / "predictions" / "iemocap.jsonl")
    assert predictions.embeddings_ND.shape == (parts[2], 32)
    if recipe != "regression":
        assert set(predictions.true_N) <= {0, 1, 2, 3}
    if recipe != "classification":
        assert np.isfinite(predictions.true_values_NV).all()

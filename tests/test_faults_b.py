"""Faults that users' own cases found, each as a user meets it."""

import json

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from ser_brain import EmotionRecognizer
from ser_brain.__main__ import main
from ser_brain.errors import SERError
from tests.inference.tiny_models import write_model

RATE_HZ = 16_000


def noise(seconds, rate_hz=RATE_HZ):
    """Noise, (S,), at a level that is scored without a warning."""
    return np.random.default_rng(0).uniform(-0.3, 0.3, round(seconds * rate_hz)).astype("f4")


@pytest.fixture
def model(tmp_path):
    """The folder of a tiny wav2vec 2.0."""
    write_model(tmp_path / "model")
    return tmp_path / "model"


def test_an_answer_that_is_not_finite_is_an_error_that_names_the_model(model, capsys):
    """Issue 13, S3: finite weights whose products overflow."""
    weights = load_file(model / "model.safetensors")
    weights["classifier.weight"] = torch.full_like(weights["classifier.weight"], 3e38)
    save_file(weights, model / "model.safetensors")
    soundfile.write(model.parent / "a.wav", noise(1), RATE_HZ)
    assert main(["predict", str(model.parent / "a.wav"), "--model", str(model)]) == 2
    said = capsys.readouterr()
    assert "The model tiny wav2vec2-base has no answer: its log_probabilities are" in said.err
    assert "nan" not in said.out
    with pytest.raises(SERError, match="has no answer"):
        EmotionRecognizer.from_pretrained(model).predict(noise(1), RATE_HZ)


@pytest.mark.parametrize(
    "family, changes",
    [
        ("wav2vec2-base", {"conv_stride": [1] * 7}),
        ("wavlm-base", {"conv_stride": [1] * 7, "num_attention_heads": 32}),
        ("wavlm-base", {"num_buckets": 1}),
    ],
)
def test_a_small_folder_cannot_ask_for_much_memory(tmp_path, family, changes, capsys):
    """Issue 13, S4: one second of audio took 10.8 GB, or divided by zero."""
    write_model(tmp_path / "model", family)
    path = tmp_path / "model" / "config.json"
    content = json.loads(path.read_text())
    content["ser_brain"]["encoder"]["config"].update(changes)
    path.write_text(json.dumps(content))
    soundfile.write(tmp_path / "a.wav", noise(1), RATE_HZ)
    assert main(["predict", str(tmp_path / "a.wav"), "--model", str(tmp_path / "model")]) == 2
    assert capsys.readouterr().err.startswith("error: Bad ")

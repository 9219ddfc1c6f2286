"""Scoring in bfloat16: near float32, for every family of encoders, and said."""

import logging

import numpy as np
import pytest
import torch

from ser_brain import EmotionRecognizer
from ser_brain.errors import SERError
from ser_brain.inference import rounding
from tests.inference.tiny_models import write_model
from tests.test_encoders_tiny import FAMILIES, clips


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_in_bfloat16_are_near_those_in_float32(tmp_path, family):
    write_model(tmp_path / "model", family)
    exact, rough = (
        EmotionRecognizer.from_pretrained(tmp_path / "model", device="cpu", precision=precision)
        for precision in ("fp32", "bf16")
    )
    for wave in clips([3200, 1600]):
        (one,), (other,) = exact.score([wave.numpy()]), rough.score([wave.numpy()])
        differences = []
        for name in ("log_probabilities", "valence_arousal", "embedding"):
            array = getattr(other, name)
            assert array.dtype == np.float32
            differences.append(abs(array - getattr(one, name)).max())
        assert 0 < max(differences) < 0.1


def test_products_and_convolutions_are_kept_in_bfloat16_alone(tmp_path):
    write_model(tmp_path / "model")
    recognizer = EmotionRecognizer.from_pretrained(tmp_path / "model", precision="bf16")
    encoder = recognizer._model.encoder
    narrow = {name for name, p in encoder.named_parameters() if p.dtype == torch.bfloat16}
    assert "feature_extractor.conv_layers.0.conv.weight" in narrow
    assert "encoder.layers.0.feed_forward.output_dense.weight" in narrow
    assert not any("norm" in name or "pos_conv" in name for name in narrow)
    heads = [recognizer._model.emotion_head, recognizer._model.va_head]
    assert {p.dtype for head in heads for p in head.parameters()} == {torch.float32}


def test_what_is_emulated_is_said(tmp_path, caplog, monkeypatch):
    write_model(tmp_path / "model")
    caplog.set_level(logging.WARNING)
    for units, said in ((True, False), (False, True)):
        caplog.clear()
        monkeypatch.setattr(rounding, "has_bf16", lambda device, units=units: units)
        EmotionRecognizer.from_pretrained(tmp_path / "model", device="cpu", precision="bf16")
        assert ("bf16 is emulated here" in caplog.text) is said


def test_an_unknown_precision(tmp_path):
    with pytest.raises(SERError, match="Bad precision 'int8'; expected one of: .*bf16"):
        EmotionRecognizer.from_pretrained(tmp_path, device="cpu", precision="int8")

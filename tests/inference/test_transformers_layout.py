"""A model folder in plain transformers: the same emotions, where it can express the model."""

import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, pipeline

from ser_brain.core.errors import SERError
from ser_brain.inference.transformers_layout import (
    projector,
    published_config,
    require_identity,
    stored_name,
    why_not,
)
from tests.inference.tiny_models import model_and_config, write_model
from tests.models.test_encoders import clips, padded

EXPRESSIBLE = [
    ("wav2vec2-base", "last"),
    ("wav2vec2-base", 2),
    ("wav2vec2-base", "mix"),
    ("xls-r", "last"),
    ("hubert-base", 1),
    ("hubert-large", "last"),
    ("wavlm-base", "mix"),
    ("wavlm-large", "last"),
    ("data2vec-audio", "mix"),
]


@pytest.mark.parametrize("family, layer", EXPRESSIBLE)
def test_plain_transformers_gives_the_same(family, layer, tmp_path, offline):
    model = write_model(tmp_path, family, layer=layer)
    (wave_S,) = clips([8000])
    plain, loading = AutoModelForAudioClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert {key: set(names) for key, names in loading.items() if names} == {
        "unexpected_keys": {"va_head.linear.weight", "va_head.linear.bias"}
    }
    extractor = AutoFeatureExtractor.from_pretrained(tmp_path)
    with torch.no_grad():
        inputs = extractor(wave_S.numpy(), sampling_rate=16_000, return_tensors="pt")
        log_probs_BC = plain(**inputs).logits.log_softmax(-1)
    ours_BC = model(*padded([wave_S]))["log_probabilities"]
    assert (log_probs_BC - ours_BC).abs().max() < 1e-5
    assert plain.config.id2label == {0: "anger", 1: "sadness", 2: "neutral"}


def test_the_pipeline_gives_the_same(wav2vec2_folder, tmp_path, offline):
    model = write_model(tmp_path)
    (wave_S,) = clips([8000])
    found = pipeline("audio-classification", str(tmp_path), top_k=None)(wave_S.numpy())
    ours = model(*padded([wave_S]))["log_probabilities"][0].exp().tolist()
    expected = dict(zip(["anger", "sadness", "neutral"], ours, strict=True))
    assert {each["label"]: each["score"] for each in found} == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "family, options, reason",
    [
        ("whisper", {}, "pads every clip to 30 s"),
        ("compact", {}, "no class for the compact encoder"),
        ("xls-r", {"layer": 2}, "ends in a norm"),
        ("hubert-large", {"layer": "mix"}, "ends in a norm"),
        ("wav2vec2-base", {"emotions": []}, "no emotion head"),
    ],
)
def test_what_it_cannot_express_it_cannot_load(family, options, reason, tmp_path, caplog):
    model, config = model_and_config(family, **options)
    assert reason in why_not(config)
    assert published_config(config).keys() == {"model_type", "ser_brain"}
    assert {stored_name(name, config) for name in model.state_dict()} == set(model.state_dict())
    assert not projector(config)
    write_model(tmp_path, family, **options)
    with pytest.raises((ValueError, KeyError), match="ser_brain"):
        AutoModelForAudioClassification.from_pretrained(tmp_path)


def test_another_projection_is_refused():
    _, config = model_and_config()
    weights = projector(config)
    require_identity(weights, config)
    weights["projector.bias"][3] = 1e-3
    with pytest.raises(SERError, match="projector.bias .* not the identity"):
        require_identity(weights, config)

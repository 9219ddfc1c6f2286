"""Descriptions of encoders: what they keep, what they may contain, what is built from them."""

import copy
import json

import pytest
import torch

from ser_brain import EmotionRecognizer
from ser_brain.core.errors import SERError
from ser_brain.inference.architecture import build_empty, check_encoder, describe_encoder
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.model_folder import load_model
from ser_brain.models.encoders import load_encoder
from ser_brain.models.encoders.loading import FAMILIES as KNOWN
from ser_brain.models.model import EmotionModel
from ser_brain.publishing.export import write_folder
from tests.inference.own_encoder import OwnEncoder
from tests.models.test_encoders import FAMILIES, clips, padded, tiny


@pytest.mark.parametrize("family", FAMILIES)
def test_a_description_builds_the_same_encoder(family):
    encoder = tiny(family, layer="last").eval()
    description = describe_encoder(encoder)
    check_encoder(description)
    again = build_empty(description)
    assert {tensor.device.type for tensor in again.state_dict().values()} == {"meta"}
    again.load_state_dict(encoder.state_dict(), assign=True)
    (wave,) = clips([8000])
    with torch.no_grad():
        one_BTD, _ = encoder(wave[None], torch.tensor([8000]))
        other_BTD, _ = again(wave[None], torch.tensor([8000]))
    torch.testing.assert_close(one_BTD, other_BTD, atol=0, rtol=0)


@pytest.mark.parametrize("layer", [1, "mix"])
def test_the_layer_is_part_of_it(layer):
    description = describe_encoder(tiny("xls-r", layer=layer))
    assert description["layer"] == layer
    assert build_empty(description).layer == layer


def test_it_has_defaults_of_the_library_and_nothing_of_training():
    description = describe_encoder(tiny("wav2vec2-base", config={"hidden_dropout": 0.3}))
    assert "freeze" not in description
    assert not [key for key in description["config"] if "dropout" in key or "mask" in key]
    assert description["config"]["layer_norm_eps"] == 1e-5  # a later version may change it


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"family": "../../evil"}, "Bad family in the encoder"),
        ({"family": ["wav2vec2"]}, "Bad family"),
        ({"family": "whisper"}, "unknown key 'normalize'"),
        ({"layer": -1}, "Bad layer"),
        ({"layer": [1, -1]}, "Bad layer"),
        ({"normalize": 1}, "Bad normalize"),
        ({"name": "a\nb"}, "Bad name"),
        ({"path": "/etc/passwd"}, "unknown key 'path'"),
        ({"config": None}, "expected a JSON object"),
    ],
)
def test_a_description_out_of_bounds_is_refused(changes, message):
    description = describe_encoder(tiny("wav2vec2-base"))
    with pytest.raises(SERError, match=message):
        check_encoder({**description, **changes})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_hidden_layers": 10**9}, "Bad num_hidden_layers"),
        ({"hidden_size": 2**40}, "Bad hidden_size"),
        ({"conv_dim": [16] * 10_000}, "Bad conv_dim"),
        ({"hidden_act": "os.system"}, "Bad hidden_act"),
        ({"layer_norm_eps": float("nan")}, "Bad layer_norm_eps"),
        ({"_attn_implementation": "evil/kernel"}, "unknown key '_attn_implementation'"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "unknown key 'auto_map'"),
    ],
)
def test_a_configuration_out_of_bounds_is_refused(changes, message):
    description = copy.deepcopy(describe_encoder(tiny("wav2vec2-base")))
    description["config"].update(changes)
    with pytest.raises(SERError, match=message):
        check_encoder(description)


@pytest.mark.parametrize(
    "changes",
    [{"num_attention_heads": 5}, {"conv_kernel": [3]}, {"num_conv_pos_embedding_groups": 7}],
)
def test_values_that_fit_no_encoder_together_are_refused(changes):
    description = copy.deepcopy(describe_encoder(tiny("wav2vec2-base")))
    description["config"].update(changes)
    check_encoder(description)
    with pytest.raises(SERError, match="no encoder can be built from it"):
        build_empty(description)


def test_a_family_of_ones_own_is_exported_and_loaded(tmp_path, monkeypatch):
    """Issue 13, 20: the two documented lines gave an encoder that no folder could hold."""
    monkeypatch.setitem(KNOWN, "own", OwnEncoder)
    (tmp_path / "base").mkdir()
    described = {"model_type": "own", "width": 12, "comment": None, "strides": [80, 4]}
    (tmp_path / "base" / "config.json").write_text(json.dumps(described))
    encoder = load_encoder(tmp_path / "base", pretrained=False).eval()
    model = EmotionModel(encoder, ["anger", "neutral"], [1, 5]).eval().requires_grad_(False)
    config = ModelConfig("mine", describe_encoder(encoder), ["anger", "neutral"], [1, 5], {})
    write_folder(tmp_path / "model", model, config)
    _, again = load_model(tmp_path / "model")
    wave_BS, lengths_B = padded(clips([8000, 4000]))
    for name, scores in model(wave_BS, lengths_B).items():
        torch.testing.assert_close(again(wave_BS, lengths_B)[name], scores, atol=0, rtol=0)
    EmotionRecognizer.from_pretrained(tmp_path / "model", device="cpu")


@pytest.mark.parametrize("value", [1e12, "x" * 2000, [[[[[1]]]]], [0] * 2000])
def test_a_family_of_ones_own_has_plain_settings(monkeypatch, value):
    monkeypatch.setitem(KNOWN, "own", OwnEncoder)
    check_encoder({"family": "own", "name": "a", "config": {"width": 8}})
    with pytest.raises(SERError, match="Bad config in encoder .* short texts, and lists"):
        check_encoder({"family": "own", "name": "a", "config": {"width": value}})

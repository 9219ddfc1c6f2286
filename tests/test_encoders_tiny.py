"""Tiny random encoders of every family, and what all of them promise about lengths.

The other encoder tests take ``FAMILIES``, ``tiny`` and ``clips`` from here.
Shapes: B clips, S samples, T frames, D frame size.
"""

from __future__ import annotations

import json

import pytest
import torch

from ser_brain.encoders import build_encoder, load_encoder
from ser_brain.errors import SERError

W2V2 = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embedding_groups": 4,
    "mask_time_prob": 0.05,
}
WHISPER = {
    "d_model": 32,
    "encoder_layers": 3,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 48,
    "num_mel_bins": 80,
    "max_source_positions": 500,
    "vocab_size": 8,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "decoder_start_token_id": 0,
}
GROUP = {"feat_extract_norm": "group", "do_stable_layer_norm": False}
LAYER = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
# Test id: (config.json, do_normalize). The pairs are those of published checkpoints,
# "mixed" being wav2vec2 variants that only share the parts.
HUB = {
    "wav2vec2-base": ({"model_type": "wav2vec2", **W2V2, **GROUP}, True),
    "xls-r": ({"model_type": "wav2vec2", **W2V2, **LAYER}, True),
    "wav2vec2-mixed": (
        {"model_type": "wav2vec2", **W2V2, **GROUP, "do_stable_layer_norm": True},
        False,
    ),
    "hubert-base": ({"model_type": "hubert", **W2V2, **GROUP}, True),
    "hubert-large": ({"model_type": "hubert", **W2V2, **LAYER}, True),
    "wavlm-base": ({"model_type": "wavlm", **W2V2, **GROUP}, False),
    "wavlm-large": ({"model_type": "wavlm", **W2V2, **LAYER}, True),
    "data2vec-audio": (
        {
            "model_type": "data2vec-audio",
            **W2V2,
            "num_conv_pos_embeddings": 5,
            "conv_pos_kernel_size": 19,
        },
        True,
    ),
    "whisper": ({"model_type": "whisper", **WHISPER}, None),
}
FAMILIES = [*HUB, "compact"]


def tiny(family: str, seed: int = 0, config: dict | None = None, **options):
    """A small encoder with weights large enough that every part of it matters."""
    torch.manual_seed(seed)
    if family == "compact":
        encoder = load_encoder("compact", channels=32, **options)
    else:
        hub_config, normalize = HUB[family]
        arguments = {"family": hub_config["model_type"], "name": family, **options}
        if normalize is not None:
            arguments["normalize"] = normalize
        encoder = build_encoder({**arguments, "config": {**hub_config, **(config or {})}})
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return encoder


def clips(lengths: list[int], seed: int = 0) -> list[torch.Tensor]:
    """Voiced sounds of changing pitch and loudness, each at its own level and offset."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for length in lengths:
        pitch, level, offset = torch.rand(3, generator=generator).tolist()
        time_s = torch.arange(length) / 16_000
        phase = 2 * torch.pi * (90 + 200 * pitch) * (time_s + 0.1 * torch.sin(3 * time_s))
        sound = torch.sin(phase) + 0.4 * torch.sin(5 * phase) * torch.sin(9 * time_s)
        noise = torch.randn(length, generator=generator)
        made.append((0.02 + 0.3 * level) * (sound + 0.1 * noise) + 0.05 * offset)
    return made


def padded(waves: list[torch.Tensor], fill: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Batch (B, S) whose padding holds ``fill``, and the lengths."""
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=fill)
    return batch, torch.tensor([len(wave) for wave in waves])


@pytest.mark.parametrize("family", FAMILIES)
def test_min_samples_is_the_shortest_clip_with_a_frame(family):
    encoder = tiny(family).eval()
    (wave,) = clips([encoder.min_samples])
    frames_BTD, frame_lengths_B = encoder(wave[None], torch.tensor([len(wave)]))
    assert frame_lengths_B.tolist() == [1]
    assert frames_BTD.shape == (1, 1, encoder.dim)
    assert frames_BTD.isfinite().all() and frames_BTD.abs().sum() > 0
    with pytest.raises(SERError, match="too short for .* needs at least"):
        encoder(wave[None], torch.tensor([len(wave) - 1]))


def test_published_receptive_fields():
    fields = {family: tiny(family).min_samples for family in FAMILIES}
    assert {fields.pop("whisper"), fields.pop("compact")} == {201, 672}
    assert set(fields.values()) == {400}  # 25 ms, Baevski et al. 2020, sec. 4.2


@pytest.mark.parametrize("family", FAMILIES)
def test_frame_lengths_foretell_the_frames(family):
    encoder = tiny(family).eval()
    with torch.no_grad():
        for length in (1599, 1600, 4799, 4800, 8001):
            (wave,) = clips([length])
            lengths_B = torch.tensor([length])
            frames_BTD, frame_lengths_B = encoder(wave[None], lengths_B)
            assert frames_BTD.shape[1] == int(encoder.frame_lengths(lengths_B))
            assert torch.equal(frame_lengths_B, encoder.frame_lengths(lengths_B))
            assert frame_lengths_B.dtype == torch.int64


def test_whisper_refuses_more_than_its_positions():
    encoder = tiny("whisper").eval()
    assert encoder.max_samples == 160_000
    wave = torch.zeros(1, 160_001)
    with pytest.raises(SERError, match=r"160001 samples .* positions for 160000 \(10 s\)"):
        encoder(wave, torch.tensor([160_001]))


def test_lengths_beyond_the_batch_are_an_error():
    with pytest.raises(SERError, match="not fractions of the longest clip"):
        tiny("compact")(torch.zeros(1, 1000), torch.tensor([1001]))


@pytest.mark.parametrize("family", FAMILIES)
def test_settings_rebuild_the_encoder_through_json(family):
    encoder = tiny(family, freeze="none").eval()
    again = build_encoder(json.loads(json.dumps(encoder.settings()))).eval()
    wave, lengths_B = padded(clips([4800, 3000]))
    with torch.no_grad():
        assert not torch.equal(again(wave, lengths_B)[0], encoder(wave, lengths_B)[0])
        again.load_state_dict(encoder.state_dict())
        assert torch.equal(again(wave, lengths_B)[0], encoder(wave, lengths_B)[0])
    assert again.freeze == "none"


@pytest.mark.parametrize("family", FAMILIES)
def test_front_can_be_cached(family):
    encoder = tiny(family).eval()
    wave, lengths_B = padded(clips([8000, 4800]))
    with torch.no_grad():
        frames_BTD, frame_lengths_B = encoder(wave, lengths_B)
        features_BTC, feature_lengths_B = encoder.front(wave, lengths_B)
        garbage = features_BTC.clone()
        garbage[1, feature_lengths_B[1] :] = torch.nan
        assert torch.equal(encoder.encode(garbage, feature_lengths_B), frames_BTD)
        half_BTD = encoder.encode(features_BTC.half(), feature_lengths_B)
    assert torch.equal(feature_lengths_B, frame_lengths_B)
    torch.testing.assert_close(half_BTD, frames_BTD, atol=0.05, rtol=0)

"""Tiny random encoders of every family, and what all of them promise about lengths.

The other encoder tests take ``FAMILIES``, ``tiny`` and ``clips`` from here.
Shapes: B clips, S samples, T frames, D frame size.
"""

from __future__ import annotations

import copy
import json

import pytest
import torch

from ser_brain.core.errors import SERError
from ser_brain.models.encoders import build_encoder, load_encoder, masked_mean

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


# 0.3 s to 10 s, and 0.3 s again; odd ones, so that no stride divides them.
LENGTHS = [4800, 160_000, 4961]


def largest_differences(encoder, waves, fill: float) -> dict[str, float]:
    """Padded batch against single clips: frames, embedding, log-probabilities."""
    torch.manual_seed(0)
    head = torch.nn.Linear(encoder.dim, 4)
    largest = {"frames": 0.0, "embedding": 0.0, "scores": 0.0}
    with torch.no_grad():
        batch_BTD, frame_lengths_B = encoder(*padded(waves, fill))
        for i, wave in enumerate(waves):
            single_BTD, lengths_B = encoder(wave[None], torch.tensor([len(wave)]))
            assert int(lengths_B) == int(frame_lengths_B[i]) == single_BTD.shape[1]
            assert not batch_BTD[i, int(lengths_B) :].any()
            together = batch_BTD[i : i + 1, : int(lengths_B)]
            alone_BD = masked_mean(single_BTD, lengths_B)
            embedding_BD = masked_mean(batch_BTD[i : i + 1], lengths_B)
            pairs = {
                "frames": (single_BTD, together),
                "embedding": (alone_BD, embedding_BD),
                "scores": [head(x).log_softmax(-1) for x in (alone_BD, embedding_BD)],
            }
            for name, (one, other) in pairs.items():
                largest[name] = max(largest[name], float((one - other).abs().max()))
    return largest


@pytest.mark.parametrize(
    ("lengths", "fill"), [(LENGTHS, 1e3), ([4800, 16_161, 7777], float("nan"))]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_padded_batch_equals_single_clips(family, lengths, fill):
    encoder = tiny(family).eval()
    differences = largest_differences(encoder, clips(lengths), fill)
    assert max(differences.values()) < 1e-5, differences


@pytest.mark.parametrize("layer", [0, 1, "mix"])
@pytest.mark.parametrize("family", HUB)
def test_padded_batch_equals_single_clips_at_any_layer(family, layer):
    encoder = tiny(family, layer=layer).eval()
    differences = largest_differences(encoder, clips([4800, 9999]), 0.0)
    assert max(differences.values()) < 2e-5, differences


@pytest.mark.parametrize("family", FAMILIES)
def test_what_differs_is_rounding(family):
    """In float64 the differences vanish: nothing leaks, however little."""
    encoder = tiny(family).eval().double()
    waves = clips([4800, 16_161])
    with torch.no_grad():
        batch_BSamples, lengths_B = padded(waves)
        # What a front end keeps in float32 (log-mel) is the same number per clip.
        features_BTC, frame_lengths_B = encoder.front(batch_BSamples.double(), lengths_B)
        batch_BTD = encoder.encode(features_BTC.double(), frame_lengths_B)
        for i, wave in enumerate(waves):
            features_BTC, lengths_B = encoder.front(
                wave[None].double(), torch.tensor([len(wave)])
            )
            single_BTD = encoder.encode(features_BTC.double(), lengths_B)
            together = batch_BTD[i : i + 1, : single_BTD.shape[1]]
            limit = 1e-6 if family == "compact" else 1e-10
            torch.testing.assert_close(single_BTD, together, atol=limit, rtol=0)


@pytest.mark.parametrize("family", ["wav2vec2-base", "hubert-base"])
def test_an_attention_mask_alone_would_not_do(family):
    """The trap that the masked group norm closes is really there in the stock model."""
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    stock = AutoModel.from_config(AutoConfig.for_model(**HUB[family][0])).eval()
    wave, lengths_B = padded([x - x.mean() for x in clips([4800, 16_000])])
    mask_BS = (torch.arange(wave.shape[1]) < lengths_B[:, None]).long()
    with torch.no_grad():
        batch_BTD = stock(wave, attention_mask=mask_BS).last_hidden_state
        single_BTD = stock(wave[:1, :4800]).last_hidden_state
    assert (batch_BTD[:1, : single_BTD.shape[1]] - single_BTD).abs().max() > 1e-2


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_do_depend_on_the_clip(family):
    encoder = tiny(family).eval()
    wave, lengths_B = padded(clips([16_000, 16_000]))
    with torch.no_grad():
        embedding_BD = masked_mean(*encoder(wave, lengths_B))
    assert (embedding_BD[0] - embedding_BD[1]).abs().max() > 1e-3


def test_compact_hears_loudness_and_is_the_same_twice():
    encoder = tiny("compact").eval()
    wave, lengths_B = padded(clips([16_000]))
    with torch.no_grad():
        usual_BD, again_BD, loud_BD = (
            masked_mean(*encoder(x, lengths_B)) for x in (wave, wave.clone(), 4 * wave)
        )
    assert torch.equal(usual_BD, again_BD)
    assert (usual_BD - loud_BD).abs().max() > 1e-2


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_autocast_runs_forward_and_backward(family):
    encoder = tiny(family, freeze="none").train()
    wave, lengths_B = padded(clips([3000, 1600]))
    with torch.autocast("cpu", torch.bfloat16):
        frames_BTD, _ = encoder(wave, lengths_B)
    assert frames_BTD.dtype == torch.float32 and frames_BTD.isfinite().all()
    frames_BTD.square().mean().backward()
    gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert gradients and all(g.isfinite().all() for g in gradients)
    encoder.eval()
    with torch.no_grad():
        exact_BTD, _ = encoder(wave, lengths_B)
        with torch.autocast("cpu", torch.bfloat16):
            rough_BTD, _ = encoder(wave, lengths_B)
    error = (rough_BTD - exact_BTD).abs().mean() / exact_BTD.abs().mean()
    assert 0 < error < 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_garbage_does_not_reach_gradients(family):
    encoder = tiny(family, freeze="none").train()
    reference = copy.deepcopy(encoder)
    waves = clips([8000, 4800])
    for module, fill in ((encoder, float("nan")), (reference, 0.0)):
        torch.manual_seed(3)  # the same dropout for both
        frames_BTD, frame_lengths_B = module(*padded(waves, fill))
        masked_mean(frames_BTD, frame_lengths_B).square().mean().backward()
    for one, other in zip(encoder.parameters(), reference.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        if one.grad is not None:
            assert torch.equal(one.grad, other.grad)

"""An unpadded clip gives Hugging Face's own numbers, at every layer.

Shapes: B clips, S samples, T frames, D frame size.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ser_brain.models.encoders.masking import (
    MaskedGroupNorm,
    mask_from_lengths,
    normalize_clips,
)
from ser_brain.models.encoders.whisper import WhisperLogMel
from tests.models.test_encoders import HUB, clips, padded, tiny

WAV2VEC2 = [family for family in HUB if family != "whisper"]


def stock_model(family: str, encoder) -> torch.nn.Module:
    """Hugging Face's model with the weights of ours."""
    from transformers import AutoConfig, AutoModel

    config = {**HUB[family][0], "apply_spec_augment": False, "mask_time_prob": 0.0}
    model = AutoModel.from_config(AutoConfig.for_model(**config)).eval()
    state = {
        name: tensor for name, tensor in encoder.state_dict().items() if name != "layer_logits"
    }
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize("family", WAV2VEC2)
def test_unpadded_batch_equals_hugging_face(family):
    from transformers import Wav2Vec2FeatureExtractor

    encoder = tiny(family).eval()
    wave, lengths_B = padded(clips([8123, 8123]))
    extract = Wav2Vec2FeatureExtractor(do_normalize=HUB[family][1])
    inputs = extract(list(wave.numpy()), sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        expected = stock_model(family, encoder)(inputs.input_values).last_hidden_state
        frames_BTD, _ = encoder(wave, lengths_B)
    assert expected.std() > 0.1
    torch.testing.assert_close(frames_BTD, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", WAV2VEC2)
def test_layers_are_hugging_faces_hidden_states(family):
    mix = tiny(family, layer="mix").eval()
    wave, lengths_B = padded(clips([8000]))
    inputs = normalize_clips(wave, lengths_B) if HUB[family][1] else wave
    stock = stock_model(family, mix)
    raw = []  # the first layer's input, then hidden states before any final norm
    blocks = stock.encoder.layers
    blocks[0].register_forward_pre_hook(lambda _, args: raw.append(args[0]))
    for block in blocks:
        block.register_forward_hook(
            lambda _, __, out: raw.append(out[0] if isinstance(out, tuple) else out)
        )
    with torch.no_grad():
        last = stock(inputs).last_hidden_state
        assert len(raw) == 4
        for layer, expected in [(0, raw[0]), (1, raw[1]), (3, raw[3]), ("last", last)]:
            encoder = tiny(family, layer=layer).eval()
            state = {k: v for k, v in mix.state_dict().items() if k in encoder.state_dict()}
            encoder.load_state_dict(state)
            frames_BTD, _ = encoder(wave, lengths_B)
            torch.testing.assert_close(frames_BTD, expected, atol=1e-5, rtol=0)
        weights = torch.softmax(mix.layer_logits, 0)
        states = [*raw[:-1], last]
        expected = sum(w * s for w, s in zip(weights, states, strict=True))
        torch.testing.assert_close(mix(wave, lengths_B)[0], expected, atol=1e-5, rtol=0)


def test_whisper_of_full_length_equals_hugging_face():
    from transformers import WhisperConfig, WhisperFeatureExtractor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    encoder = tiny("whisper").eval()
    stock = WhisperEncoder(WhisperConfig(**HUB["whisper"][0])).eval()
    state = encoder.state_dict()
    stock.load_state_dict({k.removeprefix("encoder."): v for k, v in state.items()})
    (wave,) = clips([encoder.max_samples])
    mels = WhisperFeatureExtractor(chunk_length=10)(
        wave.numpy(), sampling_rate=16_000, return_tensors="pt"
    )
    with torch.no_grad():
        expected = stock(mels.input_features).last_hidden_state
        frames_BTD, _ = encoder(wave[None], torch.tensor([len(wave)]))
    assert expected.std() > 0.1
    torch.testing.assert_close(frames_BTD, expected, atol=1e-5, rtol=0)


def test_whisper_layers():
    mix = tiny("whisper", layer="mix").eval()
    wave, lengths_B = padded(clips([8000]))
    states = []
    with torch.no_grad():
        for layer in (0, 1, 2, 3, "last"):
            encoder = tiny("whisper", layer=layer).eval()
            state = {k: v for k, v in mix.state_dict().items() if k in encoder.state_dict()}
            encoder.load_state_dict(state)
            states.append(encoder(wave, lengths_B)[0])
        raw_top, last = states[3], states[4]
        assert torch.equal(mix.encoder.layer_norm(raw_top), last)
        weights = torch.softmax(mix.layer_logits, 0)
        expected = sum(w * s for w, s in zip(weights, [*states[:3], last], strict=True))
        torch.testing.assert_close(mix(wave, lengths_B)[0], expected)
    assert (raw_top - last).abs().max() > 0.1


@pytest.mark.parametrize("bands", [80, 128])
def test_whisper_mel_equals_hugging_face_clip_by_clip(bands):
    from transformers import WhisperFeatureExtractor

    extract = WhisperFeatureExtractor(feature_size=bands)
    waves = [*clips([201, 4800, 5039, 16_000]), torch.zeros(1600)]
    # Digital silence, which the clip's own loudest frame decides the value of.
    waves.append(torch.cat([waves[1][:1700], torch.zeros(1633)]))
    wave, lengths_B = padded(waves, fill=1e3)
    mels_BMF = WhisperLogMel(bands)(wave, lengths_B)
    for i, clip in enumerate(waves):
        expected = extract(
            clip.numpy(), sampling_rate=16_000, padding="do_not_pad", return_tensors="np"
        ).input_features[0]
        frames = len(clip) // 160
        assert expected.shape == (bands, frames)
        np.testing.assert_allclose(mels_BMF[i, :, :frames], expected, atol=1e-5)
        assert not mels_BMF[i, :, frames:].any()


def test_masked_group_norm_equals_torchs_on_the_valid_part():
    torch.manual_seed(0)
    norm = MaskedGroupNorm(2, 6)
    stock = torch.nn.GroupNorm(2, 6)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_()
    stock.load_state_dict(norm.state_dict())
    frames_BCT = 5 + torch.randn(3, 6, 50)
    lengths_B = torch.tensor([50, 1, 17])
    dirty = frames_BCT.masked_fill(~mask_from_lengths(lengths_B, 50)[:, None], torch.nan)
    out_BCT = norm(dirty, lengths_B)
    for i, length in enumerate(lengths_B.tolist()):
        expected = stock(frames_BCT[i : i + 1, :, :length])
        torch.testing.assert_close(out_BCT[i : i + 1, :, :length], expected)


def test_normalize_clips_equals_hugging_faces_on_one_clip():
    from transformers import Wav2Vec2FeatureExtractor

    waves = clips([700, 16_000])
    normed_BS = normalize_clips(*padded(waves, fill=float("nan")))
    for i, wave in enumerate(waves):
        expected = Wav2Vec2FeatureExtractor(do_normalize=True)(
            wave.numpy(), sampling_rate=16_000, return_tensors="pt"
        ).input_values
        torch.testing.assert_close(normed_BS[i, : len(wave)], expected[0], atol=1e-5, rtol=1e-5)
        assert not normed_BS[i, len(wave) :].any()

"""The baseline without weights: pitch, padding, and a description that builds it again."""

import importlib.util

import pytest
import torch

from ser_brain.core.errors import SERError
from ser_brain.inference.architecture import build_empty, check_encoder, describe_encoder
from ser_brain.models.encoders import load_encoder
from tests.models.test_encoders import LENGTHS, clips, largest_differences

ENCODER = load_encoder("functionals", freeze="all")
RATE_HZ = ENCODER.sample_rate_hz


def tone(pitch_hz, loudness=0.1):
    """One second with ten harmonics, (1, S)."""
    time_S = torch.arange(RATE_HZ) / RATE_HZ
    phases = [2 * torch.pi * pitch_hz * n * time_S for n in range(1, 11)]
    return loudness * sum(torch.sin(phase) / n for n, phase in enumerate(phases, 1))[None]


def frames_of(waveform_1S):
    return ENCODER(waveform_1S, torch.tensor([waveform_1S.shape[1]]))[0][0]


@pytest.mark.parametrize("pitch_hz", [70, 110, 220, 390])
def test_pitch_and_voicing_of_a_tone(pitch_hz):
    """A lag is a whole sample: 1.3 % of 390 Hz."""
    _, voicing_T, pitch_T, *_ = frames_of(tone(pitch_hz)).T
    assert (voicing_T > 0.9).all()
    found_hz_T = 100 * 2 ** (pitch_T / voicing_T)
    assert (found_hz_T / pitch_hz - 1).abs().max() < 0.02


def test_noise_silence_and_loudness():
    torch.manual_seed(0)
    noise = frames_of(torch.randn(1, RATE_HZ) / 10)
    assert noise[:, 1].max() < 0.5
    silence = frames_of(torch.zeros(1, RATE_HZ))
    assert silence.isfinite().all() and not silence[:, 1:3].any()
    louder = frames_of(tone(200, 0.2))[:, 0] - frames_of(tone(200, 0.1))[:, 0]
    torch.testing.assert_close(louder, torch.full_like(louder, 4).log(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("fill", [1e3, float("nan")])
def test_padding_changes_nothing(fill):
    differences = largest_differences(ENCODER, clips([*LENGTHS, ENCODER.min_samples]), fill)
    assert max(differences.values()) < 1e-4, differences
    assert ENCODER.frame_lengths(torch.tensor(ENCODER.min_samples)) == 1


def test_it_is_built_again_from_its_description():
    description = describe_encoder(ENCODER)
    check_encoder(description)
    again = build_empty(description)
    again.load_state_dict(ENCODER.state_dict())
    waveform = tone(150)
    expected = frames_of(waveform)
    assert torch.equal(again(waveform, torch.tensor([RATE_HZ]))[0][0], expected)
    with pytest.raises(SERError, match="Bad layer of the functionals"):
        load_encoder("functionals", layer="all")


def test_egemaps_is_of_opensmile():
    """Each clip is a frame of 88 numbers, whatever lies beside it; or the extra is named."""
    if importlib.util.find_spec("opensmile") is None:
        with pytest.raises(SERError, match=r"pip install 'ser-recipes\[egemaps\]'"):
            load_encoder("egemaps", freeze="all")
        return
    encoder = load_encoder("egemaps", freeze="all")
    assert encoder.dim == 88
    assert not any(largest_differences(encoder, clips(LENGTHS), fill=9.0).values())

"""From recordings to waveforms: mono, one rate, and what is odd about them."""

import numpy as np
import pytest

from ser_brain.core.errors import SERError
from ser_brain.inference.waveform import prepare

RATE_HZ = 16_000


def tone(seconds=1.0, rate_hz=RATE_HZ, level=0.3, pitch_hz=440):
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * pitch_hz * time_s)).astype("float32")


def prepared(samples, rate_hz=RATE_HZ, shortest=400, longest=None):
    return prepare(samples, rate_hz, RATE_HZ, shortest, longest)


def test_a_sound_recording_passes_unchanged():
    waveform_S, warnings = prepared(tone())
    assert warnings == []
    np.testing.assert_array_equal(waveform_S, tone())
    assert waveform_S.dtype == np.float32


def test_channels_are_averaged():
    waveform_S, warnings = prepared(np.stack([tone(), 0.5 * tone()], axis=1))
    np.testing.assert_allclose(waveform_S, 0.75 * tone(), atol=1e-7)
    assert warnings == []


@pytest.mark.parametrize("kind, scale", [("int16", 32768), ("int32", 2**31)])
def test_integers_are_scaled(kind, scale):
    integers = (tone().astype("float64") * scale).astype(kind)
    np.testing.assert_allclose(prepared(integers)[0], tone(), atol=1e-4)


@pytest.mark.parametrize("rate_hz", [8000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled(rate_hz):
    waveform_S, _ = prepared(tone(rate_hz=rate_hz), rate_hz)
    assert len(waveform_S) == RATE_HZ
    inner = slice(200, -200)  # a filter rings at the ends
    np.testing.assert_allclose(waveform_S[inner], tone()[inner], atol=2e-3)


@pytest.mark.parametrize(
    "samples, rate_hz, warning",
    [
        (np.stack([tone(), -tone() + 0.001], axis=1), RATE_HZ, "channels cancel"),
        (tone(rate_hz=8000), 8000, "recorded at 8000 Hz: nothing above 4000 Hz"),
        (tone(level=0.003), RATE_HZ, "very quiet: -53 dBFS"),
        (0.3 + tone(level=0.1), RATE_HZ, "off centre: its mean is 0.30 of full scale"),
        (np.clip(tone(level=3), -1, 1), RATE_HZ, "clipped: 7"),
        (tone(seconds=0.3), RATE_HZ, "very short: 0.30 s"),
    ],
)
def test_doubts(samples, rate_hz, warning):
    found = prepared(samples, rate_hz)[1][0]
    assert found.startswith(warning)


@pytest.mark.parametrize(
    "samples, rate_hz, message",
    [
        (np.zeros(RATE_HZ, "float32"), RATE_HZ, "silent"),
        (tone(level=9e-5), RATE_HZ, "silent"),
        (np.stack([tone(), -tone()], axis=1), RATE_HZ, "channels cancel each other"),
        (tone(seconds=0.09), RATE_HZ, "0.090 s is too short; expected 0.100 s or more"),
        (np.zeros(0, "float32"), RATE_HZ, "0.000 s is too short"),
        (np.zeros(61 * RATE_HZ, "float32"), RATE_HZ, "61.0 s is too long .* at most 60 s"),
        (np.full(RATE_HZ, np.nan, "float32"), RATE_HZ, "not all finite"),
        (np.full(RATE_HZ, 20_000, "float32"), RATE_HZ, "were they integers"),
        (np.zeros(RATE_HZ, "uint8"), RATE_HZ, "type uint8"),
        (np.zeros(RATE_HZ, "complex64"), RATE_HZ, "type complex64"),
        (np.zeros((2, RATE_HZ), "float32"), RATE_HZ, "at most 32 channels"),
        (np.zeros((RATE_HZ, 0), "float32"), RATE_HZ, "at most 32 channels"),
        (np.zeros((1, 1, RATE_HZ), "float32"), RATE_HZ, "at most 32 channels"),
        (tone(), 0, "Bad sampling rate 0"),
        (tone(), 16_000.5, "Bad sampling rate 16000.5"),
        (tone(), float("nan"), "Bad sampling rate nan"),
        (tone(), 44_099, "share only a factor of 1"),
    ],
)
def test_what_is_no_waveform_is_an_error(samples, rate_hz, message):
    with pytest.raises(SERError, match=message):
        prepared(samples, rate_hz)


def test_the_models_own_limit_counts():
    with pytest.raises(SERError, match="at most 30 s"):
        prepared(np.zeros(31 * RATE_HZ, "float32"), longest=30 * RATE_HZ)
    waveform_S, _ = prepared(tone(30, 44_100), 44_100, longest=30 * RATE_HZ)
    assert len(waveform_S) == 30 * RATE_HZ


def test_the_shortest_clip_of_any_rate_is_long_enough():
    for rate_hz in (8000, 11_025, 44_100, 48_000):
        shortest = int(np.ceil(2000 / RATE_HZ * rate_hz))
        clip_S = np.ones(shortest, "float32")
        assert len(prepared(clip_S, rate_hz, shortest=2000)[0]) >= 2000

"""Reading recordings, and those that are missing or others."""

import math

import numpy as np
import pytest
import soundfile
import torch

from ser_brain.errors import SERError
from ser_brain.recordings import load_signal, require_files


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100])
def test_whatever_the_files_rate(tone, rate_hz):
    signal_S = load_signal(tone(rate_hz=rate_hz, seconds=0.2), None, None, 16000)
    assert signal_S.dtype == torch.float32
    assert abs(len(signal_S) - 3200) <= 1
    middle = slice(800, 2400)  # Away from the filter's edges.
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(3200) / 16000)
    np.testing.assert_allclose(signal_S.numpy()[middle], expected[middle], atol=5e-3)


def test_channels_are_averaged(tone):
    mono = load_signal(tone("mono.wav", level=0.3), None, None, 16000)
    stereo = load_signal(tone("stereo.wav", channels=2, level=0.2), None, None, 16000)
    torch.testing.assert_close(stereo, mono)  # (0.2 + 0.4) / 2


@pytest.mark.parametrize("rate_hz", [16000, 8000])
def test_a_segment_of_a_file(tone, rate_hz):
    path = tone(rate_hz=rate_hz)
    samples, _ = soundfile.read(path, dtype="float32")
    signal_S = load_signal(path, 0.02, 0.05, rate_hz)
    np.testing.assert_array_equal(
        signal_S.numpy(), samples[round(0.02 * rate_hz) : round(0.05 * rate_hz)]
    )
    assert len(load_signal(path, 0.02, 0.05, 16000)) == 480
    assert len(load_signal(path, 0.04, None, 16000)) == 960


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_samples_that_are_not_finite(tmp_path, value):
    samples = np.zeros(1600, dtype=np.float32)
    samples[7] = value
    soundfile.write(tmp_path / "bad.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(
        SERError, match=r"Cannot use .*bad\.wav: its samples are not all finite"
    ):
        load_signal(str(tmp_path / "bad.wav"), None, None, 16000)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
@pytest.mark.parametrize("off_s", [0.0, 0.09, -0.09])
def test_a_recording_as_long_as_the_manifest_says(tone, rate_hz, off_s):
    path = tone(rate_hz=rate_hz, seconds=0.5)
    assert len(load_signal(path, None, None, 16000, 0.5 + off_s)) == 8000
    assert len(load_signal(path, 0.1, 0.3, 16000, 0.2 + off_s)) == 3200


@pytest.mark.parametrize(
    ("start_s", "stop_s", "duration_s", "found"),
    [
        (None, None, 0.39, r"it holds 0\.50 s, and the manifest says 0\.39 s"),
        (None, None, 0.61, r"it holds 0\.50 s, and the manifest says 0\.61 s"),
        (0.2, 0.8, 0.6, r"it holds 0\.30 s from 0\.2 s on, and the manifest says 0\.60 s"),
    ],
)
def test_another_recording_of_the_same_name(tone, start_s, stop_s, duration_s, found):
    with pytest.raises(SERError, match=f"a.wav is not the recording .*: {found}"):
        load_signal(tone(seconds=0.5), start_s, stop_s, 16000, duration_s)


def test_missing_recordings_are_counted(tone, tmp_path):
    names = [tone("there.wav"), *(str(tmp_path / f"gone {n}.wav") for n in range(5))]
    rows = {f"u{n}": {"wav": wav} for n, wav in enumerate([*names, *names])}
    require_files({"u0": rows["u0"]})
    gone = ", ".join(str(tmp_path / f"gone {n}.wav") for n in range(3))
    with pytest.raises(SERError, match=f"5 of 6 recordings are missing: {gone}\\. Give the"):
        require_files(rows)

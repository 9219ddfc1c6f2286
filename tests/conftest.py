"""Fixtures that tests of several modules take."""

import numpy as np
import pytest
import soundfile


@pytest.fixture
def tone(tmp_path):
    """Write a 440 Hz tone; gives its path."""

    def tone(name="a.wav", rate_hz=16000, seconds=0.1, channels=1, subtype="FLOAT", level=0.5):
        times_s = np.arange(round(seconds * rate_hz)) / rate_hz
        samples = level * np.sin(2 * np.pi * 440 * times_s)
        samples = np.stack([samples * (n + 1) for n in range(channels)], axis=1)
        soundfile.write(tmp_path / name, samples, rate_hz, subtype=subtype)
        return str(tmp_path / name)

    return tone

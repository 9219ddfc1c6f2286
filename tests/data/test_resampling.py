"""One resampler for training, inference and export."""

import numpy as np
import pytest
import soundfile

from ser_brain.core.errors import SERError
from ser_brain.data.dataset import load_signal
from ser_brain.data.resampling import resample, resampler


@pytest.mark.parametrize("from_hz", [8000, 16_000, 44_100])
def test_what_is_used_is_what_was_trained_on(from_hz, tmp_path):
    samples_S = np.random.default_rng(0).normal(0, 0.1, from_hz).astype("float32")
    soundfile.write(tmp_path / "a.wav", samples_S, from_hz, subtype="FLOAT")
    trained_S = load_signal(str(tmp_path / "a.wav"), None, None, 16_000).numpy()
    np.testing.assert_array_equal(resample(samples_S, from_hz, 16_000), trained_S)


def test_a_filter_that_would_fill_the_memory_is_refused():
    with pytest.raises(SERError, match="from 44099 Hz to 16000 Hz: .* a factor of 1"):
        resampler(44_099, 16_000)

"""The resampler of training, inference and every exported model.

Resamplers differ enough to change a decision, so a model folder names the one it was made with.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
import torchaudio

from ser_brain.core.errors import SERError

RESAMPLER = "torchaudio.transforms.Resample(sinc_interp_hann, width 6, rolloff 0.99)"

# Coefficients; rates with a small common divisor, such as 44099 and 16000 Hz, need more.
LARGEST_FILTER = 2**24


@functools.lru_cache(maxsize=8)
def resampler(from_hz: int, to_hz: int) -> torchaudio.transforms.Resample:
    """The resampler from one rate to another; its kernel is made once.

    Raises
    ------
    SERError
        If the common divisor of the rates is so small that the filter would fill the memory.
    """
    common_hz = math.gcd(from_hz, to_hz)
    size = (to_hz // common_hz) * (from_hz // common_hz)
    if size > LARGEST_FILTER:
        raise SERError(
            f"No filter from {from_hz} Hz to {to_hz} Hz: the rates share only a factor of "
            f"{common_hz}. Convert the recording to a usual rate, such as 16000 or 48000 Hz."
        )
    return torchaudio.transforms.Resample(
        from_hz, to_hz, "sinc_interp_hann", lowpass_filter_width=6, rolloff=0.99
    )


def resample(samples_S: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Resample mono float32 samples.

    Examples
    --------
    >>> resample(np.zeros(441, dtype="float32"), 44_100, 16_000).shape
    (160,)
    """
    if from_hz == to_hz:
        return samples_S
    with torch.inference_mode():
        return resampler(from_hz, to_hz)(torch.from_numpy(samples_S)).numpy()

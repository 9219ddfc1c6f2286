"""Made-up speech for the tests of what compares recordings: noise through moving formants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

RATE_HZ = 16000
SYLLABLE_S = 0.15


def speak(sentence: int, take: int = 0, duration_s: float = 1.5) -> np.ndarray:
    """A sentence is where the formants go, a take is the noise that sounds through them."""
    formants = np.random.default_rng(sentence)
    noise = np.random.default_rng((sentence, take))
    syllables = []
    for _ in range(int(np.ceil(duration_s / SYLLABLE_S))):
        low_hz, width, level = formants.uniform(200, 2500), formants.uniform(1.2, 2), 0.1
        band = signal.butter(2, [low_hz, low_hz * width], "bandpass", fs=RATE_HZ, output="sos")
        level *= 10 ** formants.uniform(-1, 1)
        syllable = noise.normal(size=int(SYLLABLE_S * RATE_HZ))
        syllables.append(level * signal.sosfilt(band, syllable))
    samples = np.concatenate(syllables)[: int(duration_s * RATE_HZ)]
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def entry(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ, **options) -> dict:
    """Write samples; what of a manifest entry is needed to read them again."""
    soundfile.write(path, samples, rate_hz, **options)
    return {"wav": str(path), "start": None, "stop": None}

"""Fingerprints of recordings, and how well two waveforms agree when laid over each other.

Axes: S samples, V views of a recording, D numbers of a fingerprint, F frequencies, B bands,
T frames, K slices of time.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, signal

RATE_HZ = 8000  # what a telephone leaves
FRAME, HOP = 256, 80  # samples: 32 and 10 ms
BANDS_HZ = np.geomspace(150, 3600, 17)
SLICES = 32
DYNAMICS_DB = 30  # what is quieter than the loudest frames by more may be a codec's noise
TRIM = 8  # frames: 80 ms, about what an encoder puts before the first sample
# Whole with whole; whole with trimmed, either way.
COMPARED_VIEWS = ((0, 0), (0, 1), (0, 2), (1, 0), (2, 0))
WAVEFORM_HZ = (300, 2000)  # where codecs of every kind keep the waveform


def fingerprint(waveform_S: np.ndarray) -> np.ndarray:
    """The spectral envelope of a recording, without its level and the colour of its channel.

    Parameters
    ----------
    waveform_S : ndarray
        Samples at 8 kHz.

    Returns
    -------
    ndarray of float32, shape (V, D)
        Levels in dB of 16 bands in 32 equal slices of time, less each band's mean, scaled to
        length 1: of the whole, and without its first and its last 80 ms, because a copy may
        have gained or lost as much there. The inner product of two is their correlation.

    Examples
    --------
    >>> noise_S = np.random.default_rng(0).normal(size=8000)
    >>> loud_VD, soft_VD = fingerprint(noise_S), fingerprint(noise_S / 10)
    >>> round(float(loud_VD[0] @ soft_VD[0]), 4)
    1.0
    """
    shortest = FRAME + 2 * TRIM * HOP
    waveform_S = np.pad(waveform_S, (0, max(0, shortest - len(waveform_S))))
    frequency_hz, _, power_FT = signal.spectrogram(
        waveform_S, RATE_HZ, "hann", FRAME, FRAME - HOP, nfft=2 * FRAME, detrend=False
    )
    band_F = np.digitize(frequency_hz, BANDS_HZ)
    power_BT = np.stack([power_FT[band_F == b].sum(0) for b in range(1, len(BANDS_HZ))])
    level_db_BT = 10 * np.log10(np.maximum(power_BT, 1e-20))
    level_db_BT = np.maximum(level_db_BT, np.quantile(level_db_BT, 0.99) - DYNAMICS_DB)
    views = level_db_BT, level_db_BT[:, TRIM:], level_db_BT[:, :-TRIM]
    return np.stack([_envelope(view_db_BT) for view_db_BT in views]).astype(np.float32)


def _envelope(level_db_BT: np.ndarray) -> np.ndarray:
    """Means over slices of time (slices may end within a frame), centred, of length 1."""
    frames = np.arange(level_db_BT.shape[1] + 1)
    ends = np.linspace(0, frames[-1], SLICES + 1)
    sums_BT = np.pad(level_db_BT.cumsum(axis=1), ((0, 0), (1, 0)))
    slices_BK = np.diff([np.interp(ends, frames, sums_T) for sums_T in sums_BT])
    slices_BK -= slices_BK.mean(axis=1, keepdims=True)
    if np.abs(slices_BK).max() < 1e-6:  # Silence.
        slices_BK = np.ones_like(slices_BK)
    return slices_BK.ravel() / np.linalg.norm(slices_BK)


def agreement(one_S: np.ndarray, other_S: np.ndarray, furthest_s: float) -> float:
    """Highest correlation of two waveforms laid over each other, between 300 and 2000 Hz.

    Parameters
    ----------
    one_S, other_S : ndarray
        Samples at 8 kHz.
    furthest_s : float
        How far the one may be shifted against the other, either way.

    Returns
    -------
    float
        0 to 1; polarity does not matter. Silence agrees with silence only.
    """
    size = fft.next_fast_len(len(one_S) + len(other_S), real=True)
    frequency_hz = fft.rfftfreq(size, 1 / RATE_HZ)
    inside = (frequency_hz >= WAVEFORM_HZ[0]) & (frequency_hz <= WAVEFORM_HZ[1])
    one, other = (fft.rfft(samples_S, size) * inside for samples_S in (one_S, other_S))
    products = fft.irfft(one * other.conj(), size)
    energies = [fft.irfft(np.abs(spectrum) ** 2, size)[0] for spectrum in (one, other)]
    if min(energies) <= 0:
        return float(max(energies) <= 0)
    furthest = int(furthest_s * RATE_HZ)
    near = np.concatenate([products[: furthest + 1], products[-furthest:]])
    return float(np.abs(near).max() / np.sqrt(np.prod(energies)))

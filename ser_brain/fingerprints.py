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
# Frames less at the start and at the end: of the whole, of 80 ms, about what an encoder puts
# before the first sample, and of what somebody cut off.
VIEWS = ((0, 0), (8, 0), (0, 8), (10, 10), (20, 0), (0, 20), (20, 20))
# Whole with whole; whole with trimmed, either way.
COMPARED_VIEWS = ((0, 0), *((0, v) for v in range(1, 7)), *((v, 0) for v in range(1, 7)))
WAVEFORM_HZ = (300, 2000)  # where codecs of every kind keep the waveform
# A copy agrees from end to end. Other speech agrees by chance in one long vowel, or two.
SEGMENTS, LOWEST = 8, 1  # of the eighths, the one that is second to the lowest decides
PLACES = 3  # the best places of one on the other, of which one must be the right one


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
        length 1: of the whole, and without up to 200 ms at its start, its end or both (VIEWS),
        because a copy may have gained or lost as much there. The inner product of two is their
        correlation.

    Examples
    --------
    >>> noise_S = np.random.default_rng(0).normal(size=8000)
    >>> loud_VD, soft_VD = fingerprint(noise_S), fingerprint(noise_S / 10)
    >>> round(float(loud_VD[0] @ soft_VD[0]), 4)
    1.0
    """
    shortest = FRAME + sum(VIEWS[-1]) * HOP
    waveform_S = np.pad(waveform_S, (0, max(0, shortest - len(waveform_S))))
    frequency_hz, _, power_FT = signal.spectrogram(
        waveform_S, RATE_HZ, "hann", FRAME, FRAME - HOP, nfft=2 * FRAME, detrend=False
    )
    band_F = np.digitize(frequency_hz, BANDS_HZ)
    power_BT = np.stack([power_FT[band_F == b].sum(0) for b in range(1, len(BANDS_HZ))])
    level_db_BT = 10 * np.log10(np.maximum(power_BT, 1e-20))
    level_db_BT = np.maximum(level_db_BT, np.quantile(level_db_BT, 0.99) - DYNAMICS_DB)
    frames = level_db_BT.shape[1]
    views = [level_db_BT[:, start : frames - end] for start, end in VIEWS]
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
    """How well two waveforms agree from end to end, laid over each other, at 300 to 2000 Hz.

    Parameters
    ----------
    one_S, other_S : ndarray
        Samples at 8 kHz.
    furthest_s : float
        How far the one may be shifted against the other, either way.

    Returns
    -------
    float
        The correlation, 0 to 1, in one of eight segments of equal energy: in the second worst.
        Polarity does not matter. Silence agrees with silence only.
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
    shifts = np.r_[0 : furthest + 1, -furthest:0]
    products = products[shifts]
    one_S, other_S = (fft.irfft(spectrum, size) for spectrum in (one, other))
    best = 0.0
    for _ in range(PLACES):
        place = np.abs(products).argmax()
        laid_S = np.sign(products[place]) * np.roll(other_S, shifts[place])
        energy_S = np.cumsum(one_S**2 / energies[0] + laid_S**2 / energies[1])
        ends = np.searchsorted(energy_S, energy_S[-1] * np.arange(1, SEGMENTS) / SEGMENTS)
        sums_3K = [
            np.add.reduceat(each_S, [0, *ends])
            for each_S in (one_S * laid_S, one_S**2, laid_S**2)
        ]
        agreed_K = sums_3K[0] / np.sqrt(np.maximum(sums_3K[1] * sums_3K[2], 1e-30))
        best = max(best, float(np.sort(agreed_K)[LOWEST]))
        products[np.abs(shifts - shifts[place]) < RATE_HZ // WAVEFORM_HZ[1]] = 0
    return best

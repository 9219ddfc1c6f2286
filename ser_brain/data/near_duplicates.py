"""Near-duplicates: copies of a recording that are re-encoded, louder, faster or trimmed.

A hash only finds equal samples. Here every recording gets a fingerprint: its spectral envelope
in 16 bands and 32 slices of time. Recordings of about the same length whose fingerprints are
similar are then compared as waveforms, as they are and at the speed that gives them the same
length. A copy agrees with its original from end to end; the same sentence spoken again by the
same voice does not. docs/judging.md lists what is found and what is not.

Axes: N recordings, V views of one, D numbers of a fingerprint, S samples, P pairs,
F frequencies, T frames, B bands, K slices of time or segments.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import fft, signal

from ser_brain.core.errors import SERError
from ser_brain.core.log import with_progress
from ser_brain.data import audio
from ser_brain.data.audit import audio_hash

RATE_HZ = 8000  # of a telephone
FRAME, HOP = 256, 80  # samples: 32 and 10 ms
BANDS_HZ = np.geomspace(150, 3600, 17)
SLICES = 32
DYNAMICS_DB = 30  # quieter parts, below the loudest frames, may be the noise of a codec

# Frames that a view drops at the start and at the end: none; 80 ms, about what an encoder puts
# before the first sample; and what somebody may have cut off.
VIEWS = ((0, 0), (8, 0), (0, 8), (10, 10), (20, 0), (0, 20), (20, 20))

# Whole against whole, and whole against trimmed both ways.
COMPARED_VIEWS = ((0, 0), *((0, v) for v in range(1, 7)), *((v, 0) for v in range(1, 7)))
WAVEFORM_HZ = (300, 2000)  # where every kind of codec keeps the waveform

# A copy agrees from end to end; other speech agrees by chance in one or two long vowels. So the
# second lowest agreement of the eighths decides.
SEGMENTS, LOWEST = 8, 1
SHIFTS = 3  # the best alignments that are tried

LENGTH_TOLERANCE_S = 0.15  # of two views; codecs pad by less
TRIMMED_S = np.sum(VIEWS, axis=1) * HOP / RATE_HZ
FURTHEST_S = 0.35  # shift between two beginnings: the largest trim and the tolerance
SPEED = 0.12  # how much faster an untrimmed copy may be; augmentation takes 0.9 and 1.1
SLACK_S = 0.02  # at equal speed the beginnings coincide

# Fingerprints of copies correlate by 0.7 or more; where everybody speaks the same sentences, so
# does one pair in a hundred of other recordings.
LIKE_FINGERPRINT = 0.65

# Waveforms of copies agree by more than these. Other recordings of a second or more agree by at
# most 0.10 (14,681 pairs of real speech), those of half a second by up to 0.29.
LIKE_WAVEFORM, LIKE_SHORT_WAVEFORM = 0.25, 0.4
SHORT_S = 1.0
SHORTEST_S = 0.5  # a shorter recording is a duplicate only of equal samples
BLOCK = 1024  # recordings of each side compared at once
KEPT = 512  # waveforms held in memory


@dataclass(frozen=True, eq=False)
class Recordings:
    """A set of recordings with their fingerprints, the shortest first."""

    ids: list[str]
    entries: list[Mapping]
    duration_s_N: np.ndarray
    prints_NVD: np.ndarray  # float32


def read_recordings(entries: Mapping[str, Mapping], name: str) -> Recordings:
    """Read recordings (id -> manifest entry) and take their fingerprints."""
    read = []
    items = entries.items()
    for item in with_progress(items, f"{name}: reading", "files", len(entries)):
        waveform_S = read_waveform(item[1])
        read.append((*item, len(waveform_S) / RATE_HZ, fingerprint(waveform_S)))
    read.sort(key=lambda one: one[2])
    ids, found, durations_s, prints = zip(*read, strict=True) if read else [()] * 4
    return Recordings([*ids], [*found], np.array(durations_s), np.array(prints))


def same_recordings(
    left: Recordings, right: Recordings
) -> tuple[list[list[str]], list[list[str]]]:
    """Pairs of ids with equal samples, and other pairs of copies of one recording."""
    identical, near = [], []
    read_left = functools.lru_cache(KEPT)(lambda i: read_waveform(left.entries[i]))
    read_right = functools.lru_cache(KEPT)(lambda i: read_waveform(right.entries[i]))
    found = _candidates(left, right)
    for i, j in with_progress(found, "comparing", "pairs", len(found)):
        if _agree(read_left(i), read_right(j)):
            pair = [left.ids[i], right.ids[j]]
            if audio_hash(left.entries[i]) == audio_hash(right.entries[j]):
                identical.append(pair)
            elif left.duration_s_N[i] >= SHORTEST_S:
                near.append(pair)
    return sorted(identical), sorted(near)


def _candidates(left: Recordings, right: Recordings) -> np.ndarray:
    """Indices (P, 2) of pairs with similar lengths and fingerprints, found by blocks."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for i in range(0, len(left.ids), BLOCK):
        left_s = left.duration_s_N[i : i + BLOCK, None]
        furthest_s = np.maximum(TRIMMED_S.max() + LENGTH_TOLERANCE_S, left_s * SPEED)
        ends_s = (left_s - furthest_s).min(), (left_s + furthest_s).max()
        first, end = np.searchsorted(right.duration_s_N, ends_s)
        for j in range(first, end, BLOCK):
            right_s = right.duration_s_N[j : j + BLOCK]
            here, there = left.prints_NVD[i : i + BLOCK], right.prints_NVD[j : j + BLOCK]
            shorter_s, longer_s = np.minimum(left_s, right_s), np.maximum(left_s, right_s)
            close = longer_s <= shorter_s * (1 + SPEED)
            close &= here[:, 0] @ there[:, 0].T > LIKE_FINGERPRINT
            for v, w in COMPARED_VIEWS:
                apart_s = np.abs(left_s - TRIMMED_S[v] - right_s + TRIMMED_S[w])
                alike = here[:, v] @ there[:, w].T > LIKE_FINGERPRINT
                close |= alike & (apart_s <= LENGTH_TOLERANCE_S)
            found.append(np.argwhere(close) + (i, j))
    return np.concatenate(found)


def _agree(one_S: np.ndarray, other_S: np.ndarray) -> bool:
    """Whether two waveforms are copies, at the same speed or at different ones."""
    shorter, longer = sorted((len(one_S), len(other_S)))
    enough = LIKE_SHORT_WAVEFORM if shorter < SHORT_S * RATE_HZ else LIKE_WAVEFORM
    if likeness(one_S, other_S, FURTHEST_S) > enough:
        return True
    if shorter == longer or longer > shorter * (1 + SPEED):
        return False
    return likeness(one_S, signal.resample(other_S, len(one_S)), SLACK_S) > enough


def likeness(one_S: np.ndarray, other_S: np.ndarray, furthest_s: float) -> float:
    """How well two waveforms at 8 kHz agree from end to end at 300 to 2000 Hz.

    The second lowest correlation, 0 to 1, of eight segments of equal energy, at the best shift
    of at most ``furthest_s`` either way, and of no more than the mean length of the two.
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
    furthest = min(int(furthest_s * RATE_HZ), size // 2)
    shifts = np.r_[0 : furthest + 1, -furthest:0]
    products = products[shifts]
    one_S, other_S = (fft.irfft(spectrum, size) for spectrum in (one, other))
    best = 0.0
    for _ in range(SHIFTS):
        place = np.abs(products).argmax()
        moved_S = np.sign(products[place]) * np.roll(other_S, shifts[place])
        energy_S = np.cumsum(one_S**2 / energies[0] + moved_S**2 / energies[1])
        ends = np.searchsorted(energy_S, energy_S[-1] * np.arange(1, SEGMENTS) / SEGMENTS)
        sums_3K = [
            np.add.reduceat(each_S, [0, *ends])
            for each_S in (one_S * moved_S, one_S**2, moved_S**2)
        ]
        agreed_K = sums_3K[0] / np.sqrt(np.maximum(sums_3K[1] * sums_3K[2], 1e-30))
        best = max(best, float(np.sort(agreed_K)[LOWEST]))
        products[np.abs(shifts - shifts[place]) < RATE_HZ // WAVEFORM_HZ[1]] = 0
    return best


def fingerprint(waveform_S: np.ndarray) -> np.ndarray:
    """The spectral envelope of samples at 8 kHz, free of level and channel; shape (V, D).

    Levels in dB of 16 bands in 32 equal slices of time, less each band's mean, scaled to
    length 1: of the whole, and without up to 200 ms at the start, the end or both (VIEWS),
    because a copy may have gained or lost as much. The inner product of two fingerprints is
    their correlation.
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
    """Means over slices of time, which may end within a frame; centred, of length 1."""
    frames = np.arange(level_db_BT.shape[1] + 1)
    ends = np.linspace(0, frames[-1], SLICES + 1)
    sums_BT = np.pad(level_db_BT.cumsum(axis=1), ((0, 0), (1, 0)))
    slices_BK = np.diff([np.interp(ends, frames, sums_T) for sums_T in sums_BT])
    slices_BK -= slices_BK.mean(axis=1, keepdims=True)
    if np.abs(slices_BK).max() < 1e-6:  # silence resembles silence only
        slices_BK = np.ones_like(slices_BK)
    return slices_BK.ravel() / np.linalg.norm(slices_BK)


def read_waveform(entry: Mapping) -> np.ndarray:
    """An utterance's samples at 8 kHz."""
    try:
        samples, rate_hz = audio.read(entry["wav"], entry["start"], entry["stop"])
    except audio.AudioProblem as problem:
        raise SERError(
            f"Cannot compare {entry['wav']}: {problem}. Prepare the corpus again, or give its "
            "folder with --data_folder."
        ) from None
    common = np.gcd(rate_hz, RATE_HZ)
    return signal.resample_poly(samples, RATE_HZ // common, rate_hz // common)

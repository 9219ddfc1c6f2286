"""Near-duplicates: one recording under two names, re-encoded, resampled, louder or trimmed.

A hash sees only equal samples. Here every recording gets a fingerprint, its spectral envelope
in 16 bands and 32 slices of time. Recordings about equally long with like fingerprints are then
laid over each other as waveforms: there one recording agrees with its copies, and not with the
same sentence spoken once more by the same voice. Silence is like silence and nothing else.

Axes: N recordings, V views of one and D numbers of a fingerprint, P pairs.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import signal
from tqdm import tqdm

from ser_brain import audio
from ser_brain.audit import audio_hash
from ser_brain.errors import SERError
from ser_brain.fingerprints import COMPARED_VIEWS, RATE_HZ, agreement, fingerprint
from ser_brain.redaction import one_line

LENGTH_TOLERANCE_S = 0.15  # codecs pad by less
# Fingerprints of copies agree by 0.7 or more, which one pair in a hundred reaches as well where
# all speak the same sentences.
LIKE_FINGERPRINT = 0.65
# Waveforms of copies agree by 0.5 (speech at 6 kbit/s) to 1, of other recordings of people by
# at most 0.25, of one synthetic voice by 0.35, of half a second of vowels by 0.45.
LIKE_WAVEFORM = 0.5
SHORTEST_S = 0.5  # what is shorter must be equal to count as the same
BLOCK = 1024  # recordings of each side compared at once
KEPT = 512  # waveforms held in memory


@dataclass(frozen=True, eq=False)
class Recordings:
    """What is compared of a set of recordings, the shortest first.

    Attributes
    ----------
    ids : list of str
    entries : list of mapping
        Their manifest entries.
    duration_s_N : ndarray
    prints_NVD : ndarray of float32
        See :func:`ser_brain.fingerprints.fingerprint`.
    """

    ids: list[str]
    entries: list[Mapping]
    duration_s_N: np.ndarray
    prints_NVD: np.ndarray

    def waveform(self, place: int) -> np.ndarray:
        """The samples of one recording, read again."""
        return read_waveform(self.entries[place])


def listen(entries: Mapping[str, Mapping], name: str) -> Recordings:
    """Read recordings, with a progress bar, and keep what is needed to compare them.

    Parameters
    ----------
    entries : mapping
        id -> manifest entry.
    name : str
        Of the set, for the progress bar.

    Raises
    ------
    SERError
        Naming the first that cannot be read.
    """
    heard = []
    for place, entry in enumerate(
        tqdm(entries.values(), one_line(name), unit="file", disable=None)
    ):
        waveform_S = read_waveform(entry)
        heard.append((len(waveform_S) / RATE_HZ, place, fingerprint(waveform_S)))
    heard.sort(key=lambda one: one[:2])
    ids = list(entries)
    return Recordings(
        [ids[place] for _, place, _ in heard],
        [entries[ids[place]] for _, place, _ in heard],
        np.array([duration_s for duration_s, _, _ in heard]),
        np.array([prints_VD for _, _, prints_VD in heard]),
    )


def read_waveform(entry: Mapping) -> np.ndarray:
    """An utterance's samples at 8 kHz.

    Raises
    ------
    SERError
        If they cannot be read.
    """
    try:
        samples, rate_hz = audio.read(entry["wav"], entry["start"], entry["stop"])
    except audio.AudioProblem as problem:
        raise SERError(
            f"Cannot compare {entry['wav']}: {problem}. Prepare the corpus again, or say "
            "where it lies with --data_folder."
        ) from None
    common = np.gcd(rate_hz, RATE_HZ)
    return signal.resample_poly(samples, RATE_HZ // common, rate_hz // common)


def same_recordings(
    left: Recordings, right: Recordings
) -> tuple[list[list[str]], list[list[str]]]:
    """Find the recordings that two sets share.

    Returns
    -------
    identical : list of [str, str]
        Pairs of ids (left, right) whose decoded samples are equal.
    near : list of [str, str]
        Pairs of half a second or more that are copies of one recording all the same.
    """
    identical, near = [], []
    read_left = functools.lru_cache(KEPT)(left.waveform)
    read_right = functools.lru_cache(KEPT)(right.waveform)
    for i, j in tqdm(_candidates(left, right), "comparing", unit="pair", disable=None):
        if agreement(read_left(i), read_right(j), LENGTH_TOLERANCE_S) > LIKE_WAVEFORM:
            pair = [left.ids[i], right.ids[j]]
            if audio_hash(left.entries[i]) == audio_hash(right.entries[j]):
                identical.append(pair)
            elif left.duration_s_N[i] >= SHORTEST_S:
                near.append(pair)
    return sorted(identical), sorted(near)


def _candidates(left: Recordings, right: Recordings) -> np.ndarray:
    """Places (P, 2) of recordings about equally long with like fingerprints, by blocks."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for i in range(0, len(left.ids), BLOCK):
        lengths_s = left.duration_s_N[i : i + BLOCK, None]
        window_s = lengths_s[0, 0] - LENGTH_TOLERANCE_S, lengths_s[-1, 0] + LENGTH_TOLERANCE_S
        first, end = np.searchsorted(right.duration_s_N, window_s)
        for j in range(first, end, BLOCK):
            here, there = left.prints_NVD[i : i + BLOCK], right.prints_NVD[j : j + BLOCK]
            alike = np.max([here[:, v] @ there[:, w].T for v, w in COMPARED_VIEWS], axis=0)
            apart_s = np.abs(lengths_s - right.duration_s_N[j : j + BLOCK])
            close = (alike > LIKE_FINGERPRINT) & (apart_s <= LENGTH_TOLERANCE_S)
            found.append(np.argwhere(close) + (i, j))
    return np.concatenate(found)

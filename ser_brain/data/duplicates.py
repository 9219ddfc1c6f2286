"""Exact duplicates: files with the same bytes, and recordings with the same samples.

:mod:`ser_brain.data.near_duplicates` finds copies that were re-encoded, trimmed or sped up.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.core.files import sha256_of
from ser_brain.data import audio

T = TypeVar("T")
Hashes = dict[tuple, str]  # (file, start, stop) -> hash of its samples


def same_files(marks: Mapping[Path, Hashable]) -> list[list[Path]]:
    """Groups of files that are the same byte for byte.

    Parameters
    ----------
    marks : mapping
        File -> size, first bytes or the like: only files with equal marks are read.
    """
    groups = []
    for candidates in grouped(marks):
        groups += grouped({path: sha256_of(path) for path in candidates})
    return groups


def grouped(values: Mapping[T, Hashable]) -> list[list[T]]:
    """Keys with equal values; a key whose value no other has is in no group."""
    found: dict[Hashable, list[T]] = defaultdict(list)
    for key, value in values.items():
        found[value].append(key)
    return [keys for keys in found.values() if len(keys) > 1]


def same_samples(
    left: Mapping[str, dict], right: Mapping[str, dict], hashes: Hashes
) -> list[list[str]]:
    """Pairs of ids whose decoded samples are equal, whatever their file format.

    Only clips of equal length are read, so that a clean split costs next to nothing. ``hashes``
    holds those of clips that were read before, and receives new ones.
    """

    def by_length(rows: Mapping[str, dict]) -> dict[int, list[str]]:
        found = defaultdict(list)
        for utterance_id, row in rows.items():
            found[round(row["duration"] * row["sample_rate"])].append(utterance_id)
        return found

    def hash_of(entry: Mapping) -> str:
        key = (entry["wav"], entry["start"], entry["stop"])
        if key not in hashes:
            hashes[key] = audio_hash(entry)
        return hashes[key]

    lefts, rights = by_length(left), by_length(right)
    pairs = []
    for length in sorted(lefts.keys() & rights.keys()):
        of_hash = defaultdict(list)
        for utterance_id in lefts[length]:
            of_hash[hash_of(left[utterance_id])].append(utterance_id)
        for utterance_id in rights[length]:
            for twin in of_hash.get(hash_of(right[utterance_id]), ()):
                pairs.append([twin, utterance_id])
    return pairs


def audio_hash(entry: Mapping) -> str:
    """SHA-256 of an utterance's samples as 16-bit mono PCM."""
    try:
        samples, _ = audio.read(entry["wav"], entry["start"], entry["stop"])
    except audio.AudioProblem as problem:
        raise SERError(
            f"Cannot audit {entry['wav']}: {problem}. Prepare the corpus again."
        ) from None
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    return hashlib.sha256(pcm.tobytes()).hexdigest()

"""One clip's features in one file: float16 frames behind a checksum.

Axes: T frames, C channels.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from ser_brain.files import atomic_path

SUFFIX = ".f16"
HEAD = 4  # bytes: CRC-32 of the rest


class Damaged(Exception):
    """A file is there, but is not what was written."""


def bytes_of(frames: int, channels: int) -> int:
    """Size of a file.

    Examples
    --------
    >>> bytes_of(49, 512)
    50180
    """
    return HEAD + frames * channels * 2


def write_features(path: Path, features_TC: np.ndarray) -> None:
    """Write a clip's float16 features; the file is whole or not there."""
    payload = np.ascontiguousarray(features_TC, dtype="<f2").tobytes()
    with atomic_path(path) as temporary:
        temporary.write_bytes(zlib.crc32(payload).to_bytes(HEAD, "little") + payload)


def read_features(path: Path, channels: int) -> np.ndarray:
    """Read a clip's features, (T, C) float16.

    Raises
    ------
    Damaged
        The checksum is not that of the content.
    FileNotFoundError
    """
    content = np.fromfile(path, dtype=np.uint8)
    payload = content[HEAD:]
    whole = len(payload) > 0 and len(payload) % (2 * channels) == 0
    if not whole or zlib.crc32(payload).to_bytes(HEAD, "little") != content[:HEAD].tobytes():
        raise Damaged(str(path))
    return payload.view("<f2").reshape(-1, channels)

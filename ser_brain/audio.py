"""Audio files: what their headers and first samples say, and reading them.

soundfile only, no torch: corpora are prepared without it.
"""

from __future__ import annotations

import math
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

SILENCE_PEAK = 1e-4  # full scale 1: quieter than -80 dBFS from end to end is silence
SHORTEST_S = 0.1
LOUDEST = 16.0  # full scale 1: float samples beyond this were never scaled
LFS_MAGIC = b"version https://git-lfs"
# What streaming writers leave in a WAV header in place of a length; SoX the last.
UNKNOWN_LENGTH = (0, 0xFFFFFFFF, 0x7FFFF000)
HEAD_BYTES = 4096
BLOCK_FRAMES = 65536
# What reading a damaged file ends in; the last two where the numbers of its header are wild.
DAMAGED = (soundfile.SoundFileError, OSError, ValueError, MemoryError)


class AudioProblem(Exception):
    """Why a file cannot be used, in a word or two (``truncated``); part of a report."""


@dataclass(frozen=True)
class AudioFacts:
    """Length and rate of an audio file, from its header.

    Attributes
    ----------
    mark : tuple of int
        Size in bytes and a checksum of the beginning: files that differ in it differ.
    """

    frames: int
    sample_rate_hz: int
    mark: tuple[int, int] = (0, 0)

    @property
    def duration_s(self) -> float:
        return self.frames / self.sample_rate_hz


def inspect(path: str | Path, longest_s: float = math.inf) -> AudioFacts:
    """Read a file's header and as few samples as show that it is sound.

    Parameters
    ----------
    path : str or Path
        Any format libsndfile reads.
    longest_s : float
        Of a longer file only the header is read: a few megabytes can hold days of silence.

    Returns
    -------
    AudioFacts

    Raises
    ------
    AudioProblem
        ``missing``, ``empty``, ``git-LFS stub``, ``unreadable``, ``truncated``, ``too short``,
        ``silent``, ``not a number`` or ``not at full scale 1``.
    """
    path = Path(path)
    try:
        _require_regular(path)
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
            size = os.fstat(file.fileno()).st_size
            cut = _wav_is_cut(file, head, size)
    except FileNotFoundError:
        raise AudioProblem("missing") from None
    except (OSError, ValueError):  # no permission; a name that no file can have
        raise AudioProblem("unreadable") from None
    if not head:
        raise AudioProblem("empty")
    if head.startswith(LFS_MAGIC):
        raise AudioProblem("git-LFS stub")
    if cut:
        raise AudioProblem("truncated")
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames / file.samplerate <= longest_s:
                _inspect_samples(file)
            return AudioFacts(file.frames, file.samplerate, (size, zlib.crc32(head)))
    except DAMAGED:
        raise AudioProblem("unreadable") from None


def _require_regular(path: str | Path) -> None:
    """Stop at a pipe or device: to open one can wait for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise AudioProblem("unreadable")


def _inspect_samples(file: soundfile.SoundFile) -> None:
    """Read as little as shows that the samples are all there and not all zero."""
    if file.frames == 0:
        raise AudioProblem("empty")
    if file.frames / file.samplerate < SHORTEST_S:
        raise AudioProblem("too short")
    # A lossless file that was cut opens well; reading its last frame shows it.
    try:
        file.seek(file.frames - 1)
        complete = len(file.read(1)) == 1
        file.seek(0)
    except DAMAGED:
        complete = False
    if not complete:
        raise AudioProblem("truncated")
    floating = file.subtype in ("FLOAT", "DOUBLE")
    loud = False
    for block in file.blocks(BLOCK_FRAMES, dtype="float32"):
        if floating and not np.isfinite(block).all():
            raise AudioProblem("not a number")
        if floating and np.abs(block).max() > LOUDEST:
            raise AudioProblem("not at full scale 1")
        loud = loud or np.abs(block).max() > SILENCE_PEAK
        if loud and not floating:
            return
    if not loud:
        raise AudioProblem("silent")


def _wav_is_cut(file: BinaryIO, head: bytes, size: int) -> bool:
    """Whether a RIFF file ends before its data chunk does; libsndfile would not say."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return False
    at = 12
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            return length not in UNKNOWN_LENGTH and at + 8 + length > size
        at += 8 + length + length % 2
    return False


def read(
    path: str | Path, start_s: float | None = None, stop_s: float | None = None
) -> tuple[np.ndarray, int]:
    """Read a file, or a part of it, as mono.

    Parameters
    ----------
    path : str or Path
    start_s, stop_s : float, optional
        Seconds inside the file; None is its start or end.

    Returns
    -------
    samples : numpy.ndarray, shape (S,), float32
        Channels averaged, full scale 1.
    sample_rate_hz : int

    Raises
    ------
    AudioProblem
        If the file is missing or cannot be read, or holds nothing there.
    """
    try:
        _require_regular(path)
        with soundfile.SoundFile(path) as file:
            rate_hz = file.samplerate
            first = 0 if start_s is None else round(start_s * rate_hz)
            last = file.frames if stop_s is None else round(stop_s * rate_hz)
            file.seek(first)
            samples = file.read(last - first, dtype="float32", always_2d=True)
    except DAMAGED as error:
        raise AudioProblem(f"unreadable ({error})") from None
    if not len(samples):
        raise AudioProblem("empty")
    return samples.mean(axis=1), rate_hz

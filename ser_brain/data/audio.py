"""Checking, reading and resampling audio; only what resamples imports torch."""

from __future__ import annotations

import functools
import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soundfile

from ser_brain.core.errors import SERError
from ser_brain.core.files import LFS_MAGIC, open_regular

if TYPE_CHECKING:
    import torchaudio

# Usual endings of what libsndfile reads.
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff")
SILENCE_PEAK = 1e-4  # full scale 1: quieter than -80 dBFS from end to end is silence
SHORTEST_S = 0.1
LOUDEST = 16.0  # full scale 1: float samples beyond this were never scaled

# What streaming writers put into a WAV header in place of a length; the last is SoX's.
UNKNOWN_LENGTH = (0, 0xFFFFFFFF, 0x7FFFF000)
HEAD_BYTES = 4096
BLOCK_FRAMES = 65536

# Errors from reading a damaged file; the last two from absurd numbers in its header.
DAMAGED = (soundfile.SoundFileError, OSError, ValueError, MemoryError)
CONVERT = "ffmpeg -i X X.wav converts it"
HEADERLESS = (".raw", ".pcm", ".sln", ".vox", ".ul", ".al")

# Common files that libsndfile does not decode: offset, bytes there, what the file is.
UNDECODED = (
    (4, b"ftyp", f"an MP4 file (m4a, mp4, mov, 3gp); {CONVERT}"),
    (0, b"\x1aE\xdf\xa3", f"a WebM or Matroska file; {CONVERT}"),
    (0, b"#!AMR", f"an AMR file; {CONVERT}"),
    (0, b"0&\xb2u\x8ef\xcf\x11", f"a Windows Media file (wma, wmv); {CONVERT}"),
    (0, b"\xff\xf1", f"an AAC file; {CONVERT}"),
    (0, b"\xff\xf9", f"an AAC file; {CONVERT}"),
    (28, b"Speex   ", f"a Speex file; {CONVERT}"),
    (8, b"AVI ", f"an AVI file; {CONVERT}"),
    (0, b"PK\x03\x04", "a ZIP archive; unpack it"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it"),
    (0, b"<", "a web page or other text, not audio; download it again"),
)


class AudioProblem(Exception):
    """Why a file cannot be used, in a word or two (``truncated``), for a report."""


@dataclass(frozen=True)
class AudioFacts:
    """Length and rate of an audio file, from its header."""

    frames: int
    sample_rate_hz: int
    mark: tuple[int, int]  # bytes, and a checksum of the beginning: others are other files

    @property
    def duration_s(self) -> float:
        return self.frames / self.sample_rate_hz


def inspect(path: str | Path, longest_s: float = math.inf) -> AudioFacts:
    """Check a file by its header and as few samples as possible.

    Of a file longer than ``longest_s`` only the header is read: a few megabytes can hold days
    of silence.

    Raises
    ------
    AudioProblem
        ``missing``, ``empty``, ``git-LFS stub``, ``unreadable`` (with the format, where it is
        known, and how to convert it), ``truncated``, ``too short``, ``silent``, ``not a
        number`` or ``not at full scale 1``.
    """
    path = Path(path)
    try:
        with open_regular(path, largest=None) as file:
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
        with opened(path) as file:
            facts = AudioFacts(file.frames, file.samplerate, (size, zlib.crc32(head)))
            if facts.duration_s > longest_s:
                return facts
            ends_well = _ends_well(file, facts)
        # Some codings cannot seek, or fail to: only reading them to the end tells.
        if not (ends_well or _is_whole(path)):
            raise AudioProblem("truncated")
        with opened(path) as file:
            _inspect_samples(file)
    except DAMAGED:
        raise AudioProblem(_undecoded(path, head)) from None
    return facts


@contextmanager
def opened(path: str | Path) -> Iterator[soundfile.SoundFile]:
    """Open an audio file whatever its name; raises the errors of :data:`DAMAGED`.

    Given a path, soundfile believes the ending, and asks for a description of ``.raw``. Read
    with ``frames=file.frames``: codings that cannot seek need it.
    """
    with open_regular(path, largest=None) as file:
        try:
            sound = soundfile.SoundFile(file.fileno(), closefd=False)
        except soundfile.LibsndfileError as error:  # its message has a number for a name
            raise soundfile.LibsndfileError(error.code, f"Error opening {path}: ") from None
        with sound:
            yield sound


def _ends_well(file: soundfile.SoundFile, facts: AudioFacts) -> bool:
    if facts.frames == 0:
        raise AudioProblem("empty")
    if facts.duration_s < SHORTEST_S:
        raise AudioProblem("too short")
    # A lossless file that was cut opens well, but its last frame cannot be read.
    try:
        file.seek(facts.frames - 1)
        return len(file.read(1)) == 1
    except DAMAGED:
        return False


def _is_whole(path: Path) -> bool:
    try:
        with opened(path) as file:
            return sum(map(len, file.blocks(BLOCK_FRAMES, frames=file.frames))) == file.frames
    except DAMAGED:
        return False


def _inspect_samples(file: soundfile.SoundFile) -> None:
    """Read up to the first sound; of floating-point samples all, for NaN can be anywhere."""
    floating = file.subtype in ("FLOAT", "DOUBLE")
    loud = False
    for block in file.blocks(BLOCK_FRAMES, frames=file.frames, dtype="float32"):
        if floating and not np.isfinite(block).all():
            raise AudioProblem("not a number")
        if floating and np.abs(block).max() > LOUDEST:
            raise AudioProblem("not at full scale 1")
        loud = loud or np.abs(block).max() > SILENCE_PEAK
        if loud and not floating:
            return
    if not loud:
        raise AudioProblem("silent")


def _undecoded(path: Path, head: bytes) -> str:
    """``unreadable``, with the format where the first bytes or the name tell it."""
    for place, start, what in UNDECODED:
        if head[place : place + len(start)] == start:
            return f"unreadable: {what}"
    if path.suffix.lower() in HEADERLESS:
        return (
            "unreadable: samples without a header; if they have 16 bits at 8000 Hz, "
            "ffmpeg -f s16le -ar 8000 -ac 1 -i X X.wav converts it"
        )
    return "unreadable"


def _wav_is_cut(file: BinaryIO, head: bytes, size: int) -> bool:
    """Whether a RIFF file ends before its data chunk does; libsndfile ignores that."""
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
    """Read a file, or the part from ``start_s`` to ``stop_s``, as mono.

    Returns
    -------
    samples : numpy.ndarray, shape (S,), float32
        Channels averaged, full scale 1.
    sample_rate_hz : int

    Raises
    ------
    AudioProblem
        If the file is missing or cannot be read, has nothing there, or the stop is before the
        start.
    """
    try:
        with opened(path) as file:
            rate_hz = file.samplerate
            first = 0 if start_s is None else round(start_s * rate_hz)
            last = file.frames if stop_s is None else round(stop_s * rate_hz)
            if last < first:  # a negative count would read to the end
                raise AudioProblem("stop before its start")
            if not file.seekable():
                samples = file.read(last, dtype="float32", always_2d=True)[first:]
            else:
                file.seek(first)
                samples = file.read(last - first, dtype="float32", always_2d=True)
    except DAMAGED as error:
        raise AudioProblem(f"unreadable ({error})") from None
    if not len(samples):
        raise AudioProblem("empty")
    return samples.mean(axis=1), rate_hz


# Resamplers differ enough to change a decision, so a model folder names its own.
RESAMPLER = "torchaudio.transforms.Resample(sinc_interp_hann, width 6, rolloff 0.99)"

# Coefficients; rates with a small common divisor, such as 44099 and 16000 Hz, need more.
LARGEST_FILTER = 2**24


@functools.lru_cache(maxsize=8)
def resampler(from_hz: int, to_hz: int) -> torchaudio.transforms.Resample:
    """The resampler of training, inference and every exported model, from one rate to another.

    Stop if the rates' common divisor is so small that the filter would fill the memory.
    """
    import torchaudio

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
    """Resample mono float32 samples."""
    if from_hz == to_hz:
        return samples_S
    import torch

    with torch.inference_mode():
        return resampler(from_hz, to_hz)(torch.from_numpy(samples_S)).numpy()

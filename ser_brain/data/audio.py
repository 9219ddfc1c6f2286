"""Checking, reading and resampling audio; only what resamples imports torch.

A path may end with a channel, ``call.wav#left``: then only that channel is read. Without one,
channels are averaged.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import importlib.util
import itertools
import math
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
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
NO_AUDIO = "text, not audio"
HEAD_BYTES = 4096
BLOCK_FRAMES = 65536

# Errors from reading a damaged file; the last two from absurd numbers in its header.
DAMAGED = (soundfile.SoundFileError, OSError, ValueError, MemoryError)
CONVERT = "ffmpeg -i X X.wav converts it"
CHANNELS = ("left", "right")

# Endings of samples without a header -> what ffmpeg has to be told of them.
HEADERLESS = dict.fromkeys((".raw", ".pcm", ".sln", ".vox"), "-f s16le -ar 8000 -ac 1")
HEADERLESS |= {".ul": "-f mulaw -ar 8000 -ac 1", ".al": "-f alaw -ar 8000 -ac 1"}
HEADERLESS |= {".gsm": "-f gsm -ar 8000"}

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

# Those that PyAV (the extra ``av``) reads, and as what: by name, so that no file can make
# FFmpeg follow a playlist.
DEMUXERS = {b"ftyp": "mov", b"\x1aE\xdf\xa3": "matroska", b"#!AMR": "amr", b"AVI ": "avi"}
DEMUXERS |= {b"0&\xb2u\x8ef\xcf\x11": "asf", b"Speex   ": "ogg"}
DEMUXERS |= {b"\xff\xf1": "aac", b"\xff\xf9": "aac"}
DEMUXED = (".m4a", ".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".mka")
DEMUXED += (".amr", ".aac", ".wma")


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


def readable_suffixes() -> tuple[str, ...]:
    """Usual endings of what can be read here: more with PyAV."""
    return SUFFIXES + (DEMUXED if importlib.util.find_spec("av") else ())


def with_channel(path: str | Path, channel: str) -> str:
    """The path of one channel of a file."""
    return f"{path}#{channel}"


def split_channel(path: str | Path) -> tuple[Path, str | None]:
    """The file of a path, and the channel that it names, if any.

    Examples
    --------
    >>> split_channel("call.wav#left")[1], split_channel("take#2.wav")[1]
    ('left', None)
    """
    file, _, channel = str(path).rpartition("#")
    if channel not in CHANNELS or os.path.lexists(path):
        return Path(path), None
    return Path(file), channel


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
    path, whole = Path(path), split_channel(path)[0]
    try:
        with open_regular(whole, largest=None) as file:
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
            mark = (size, zlib.crc32(head + str(path).removeprefix(str(whole)).encode()))
            facts = AudioFacts(file.frames, file.samplerate, mark)
            if facts.duration_s > longest_s:
                return facts
            ends_well = _ends_well(file, facts)
        # Some codings cannot seek, or fail to: only reading them to the end tells.
        if not (ends_well or _is_whole(path)):
            raise AudioProblem("truncated")
        with opened(path) as file:
            _inspect_samples(file)
    except DAMAGED:
        raise AudioProblem(_undecoded(whole, head)) from None
    return facts


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[soundfile.SoundFile]:
    """Open an audio file whatever its name; raises the errors of :data:`DAMAGED`.

    Given a path, soundfile believes the ending, and asks for a description of ``.raw``. Read
    with ``frames=file.frames``: codings that cannot seek need it. What libsndfile cannot read
    is decoded by PyAV, if it is installed, into a temporary file; where the path names a
    channel, its samples are that channel's.
    """
    whole, channel = split_channel(path)
    with open_regular(whole, largest=None) as file, contextlib.ExitStack() as stack:
        try:
            sound = soundfile.SoundFile(file.fileno(), closefd=False)
        except soundfile.LibsndfileError as error:  # its message has a number for a name
            decoded = stack.enter_context(tempfile.TemporaryFile())
            if not _decode(file, decoded):
                named = soundfile.LibsndfileError(error.code, f"Error opening {path}: ")
                raise named from None
            sound = soundfile.SoundFile(decoded)
        sound = stack.enter_context(sound)
        yield sound if channel is None else OneChannel(sound, CHANNELS.index(channel))


class OneChannel:
    """A sound file of which only one channel is read."""

    def __init__(self, file: soundfile.SoundFile, channel: int):
        if file.channels != len(CHANNELS):
            had = f"{file.channels} channel{'s' if file.channels > 1 else ''}"
            raise AudioProblem(f"without a left and a right channel ({had})")
        self._file, self._channel = file, channel
        self.channels = 1

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def read(self, frames: int = -1, dtype: str = "float64", **_: object) -> np.ndarray:
        """Samples (S, 1), as :meth:`soundfile.SoundFile.read` with ``always_2d``."""
        samples = self._file.read(frames, dtype=dtype, always_2d=True)
        return samples[:, self._channel : self._channel + 1]

    def blocks(self, *arguments: object, **options: object) -> Iterator[np.ndarray]:
        """Blocks of samples (S, 1)."""
        for block in self._file.blocks(*arguments, **{**options, "always_2d": True}):
            yield block[:, self._channel : self._channel + 1]


def _decode(file: BinaryIO, into: BinaryIO) -> bool:
    """Write the first audio of a file as 16-bit WAV; False if PyAV is absent or cannot."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    kinds = [DEMUXERS.get(start) for at, start, _ in UNDECODED if head[at:].startswith(start)]
    if not (kinds and kinds[0]) or importlib.util.find_spec("av") is None:
        return False
    import av

    file.seek(0)
    try:
        with av.open(file, format=kinds[0]) as container:
            (stream, *_) = container.streams.audio
            channels, rate_hz = stream.channels, stream.rate
            to_packed = av.AudioResampler("s16", stream.layout, rate_hz)
            kind = {"format": "WAV", "subtype": "PCM_16"}
            with soundfile.SoundFile(into, "w", rate_hz, channels, **kind) as out:
                for frame in itertools.chain(container.decode(stream), [None]):
                    for part in to_packed.resample(frame):
                        out.write(part.to_ndarray().reshape(-1, channels))
    except (av.FFmpegError, ValueError, OSError):  # without audio; damaged
        return False
    into.seek(0)
    return True


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
    told = HEADERLESS.get(path.suffix.lower())
    if told is not None:
        sure = "if they have 16 bits at 8000 Hz, " if "s16le" in told else ""
        converts = f"{sure}ffmpeg {told} -i X X.wav converts it"
        return f"unreadable: samples without a header; {converts}"
    return f"unreadable: {NO_AUDIO}" if _is_text(head) else "unreadable"


def _is_text(head: bytes) -> bool:
    if head.startswith(b"RIFF"):  # a damaged WAV file
        return False
    try:
        # Incremental, since the last letter may be cut.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)


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

"""What a user asks to score: files, folders, patterns, or samples with their rate."""

from __future__ import annotations

import glob
import os
import tempfile
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data import audio
from ser_brain.data.audio import SUFFIXES
from ser_brain.inference.waveform import MOST_CHANNELS, too_long

logger = get_logger(__name__)
STDIN = "-"
BAD_NAME = "its name is not valid UTF-8; rename it"

# Problems of a file that waveform.prepare() describes better.
LEFT_TO_WAVEFORM = ("silent", "too short", "not a number", "not at full scale 1")


def audio_files(inputs: Sequence[str], stdin: Iterable[str] = ()) -> list[Path]:
    """Every file that command-line arguments name, each once, in the order of the arguments.

    An input is a file (whatever its suffix; a missing one is reported later with the unreadable
    ones), a folder (every audio file below it), a pattern such as ``'clips/**/*.flac'`` (every
    audio file that it matches, or below a folder that it matches), or ``-`` for paths, each of
    a file or a folder, on the lines of ``stdin``. A folder or a pattern that leads to no audio
    is an error.
    """
    found = [path for text in inputs for path in _files_of(text, stdin)]
    if not found:
        raise SERError("No path on standard input; expected one on each line.")
    return list(dict.fromkeys(found))


def _files_of(text: str, stdin: Iterable[str]) -> Iterator[Path]:
    if text == STDIN:
        for line in filter(None, (line.rstrip("\r\n") for line in stdin)):
            yield from _file_or_folder(Path(line))
    elif glob.has_magic(text) and not os.path.lexists(text):
        matches = map(Path, sorted(glob.glob(text, recursive=True)))
        files = [file for match in matches for file in _files_below(match)]
        yield from _audio_among(files, f"the pattern {text!r}")
    else:
        yield from _file_or_folder(Path(text))


def _file_or_folder(path: Path) -> list[Path]:
    return _audio_among(_files_below(path), f"the folder {path}") if path.is_dir() else [path]


def _files_below(path: Path) -> list[Path]:
    """A file itself; of a folder every file below it that is not hidden, sorted by name."""
    if not path.is_dir():
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _audio_among(files: Sequence[Path], where: str) -> list[Path]:
    """The files with a suffix of audio; the others are counted in the log."""
    known = audio.readable_suffixes()
    chosen = [file for file in files if file.suffix.lower() in known]
    counts = Counter(file.suffix.lower() for file in files)
    others = ", ".join(
        f"{count} {suffix or 'without a suffix'}"
        for suffix, count in counts.most_common()
        if suffix not in known
    )
    if not chosen:
        found = f"found {others}. " if others else ""
        raise SERError(
            f"No audio in {where}: {found}Expected files with {', '.join(known)}. Convert "
            "others (ffmpeg -i X X.wav), or name a single file, which is read by its content."
        )
    if others:
        logger.info(f"Skipped files in {where} without a suffix of audio: {others}.")
    return chosen


@dataclass(frozen=True)
class Input:
    """One clip: a file, the content of one, or samples with their rate."""

    name: str
    path: Path | None = None
    samples: np.ndarray | None = None
    rate_hz: int | None = None
    content: bytes | None = None

    @property
    def place(self) -> Hashable:
        """The same for two clips that are the same audio."""
        if self.path is not None:
            return self.path.resolve(), None, None
        return id(self.samples if self.content is None else self.content)

    def read(self, longest_s: float) -> tuple[np.ndarray, int]:
        """Samples, (S,) or (S, channels), and their rate."""
        if self.samples is not None and self.rate_hz is not None:
            return _channels_last(self.samples), self.rate_hz
        if self.content is not None:  # a file gets every check, and is decoded by whatever can
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "audio")
                path.write_bytes(self.content)
                return Input(self.name, path).read(longest_s)
        path = self.path or Path(self.name)
        try:
            self.name.encode()
            audio.inspect(path)
        except UnicodeEncodeError:
            raise SERError(f"Cannot read the file: {BAD_NAME}.") from None
        except audio.AudioProblem as problem:
            if str(problem) not in LEFT_TO_WAVEFORM:
                raise SERError(f"Cannot read the file: {problem_of(path, problem)}.") from None
        try:
            with audio.opened(path) as file:
                duration_s = file.frames / file.samplerate
                if duration_s > longest_s:  # before it is read: hours would fill the memory
                    raise too_long(duration_s, longest_s)
                samples = file.read(file.frames, dtype="float32", always_2d=True)
                return samples, file.samplerate
        except audio.DAMAGED as error:
            raise SERError(f"Cannot read the file: {error}.") from error


EXPECTED = (
    "expected a file, a folder, bytes, a file object, an array or tensor with rate_hz, (array, "
    "rate), a dict of array and sampling_rate, or several of these"
)

# What tells an open file, a tensor, and a decoder (torchcodec's, of a Hugging Face column); the
# libraries themselves need not be imported, or installed, for a file.
FILE, TENSOR, DECODER = WHOLE = ("read", "detach", "get_all_samples")


def clips_of(x: object, rate_hz: int | None) -> tuple[list[Input], bool]:
    """The clips in an argument of ``EmotionRecognizer.predict``, and whether it can be several.

    Examples
    --------
    >>> clips_of([np.zeros(8), (8000, np.zeros(8))], 16000)[0][1].rate_hz
    8000
    """
    if isinstance(x, str | os.PathLike) and Path(x).is_dir():
        return [Input(str(path), path=path) for path in _file_or_folder(Path(x))], True
    if hasattr(x, "columns"):
        raise SERError(
            "A table has several columns: give that of the clips, such as x['file']."
        )
    if _is_one(x) or not isinstance(x, Iterable):
        return [_clip(x, rate_hz, "the clip")], False
    return [_clip(item, rate_hz, f"clip {n}") for n, item in enumerate(x)], True


def _is_one(x: object) -> bool:
    """Whether it stands for a single clip, although it may be iterable."""
    if isinstance(x, np.ndarray):
        return x.dtype.kind not in "OUT"  # of paths or of other arrays
    whole = str | os.PathLike | bytes | bytearray | memoryview | Mapping
    return isinstance(x, whole) or _has_rate(x) or any(hasattr(x, name) for name in WHOLE)


def _has_rate(x: object) -> bool:
    """Whether it is (array, rate) or (rate, array)."""
    return isinstance(x, tuple) and len(x) == 2 and sum(map(_is_rate, x)) == 1


def _is_rate(x: object) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool)


def _clip(x: Any, rate_hz: int | None, name: str) -> Input:
    if isinstance(x, str | os.PathLike):
        return Input(str(x), path=Path(x))
    if isinstance(x, Mapping):
        return _clip_of_dict(x, name)
    if isinstance(x, bytes | bytearray | memoryview):
        return Input(name, content=bytes(x))
    if hasattr(x, FILE):
        return _clip_of_stream(x, name)
    if _has_rate(x):
        x, rate_hz = x[::-1] if _is_rate(x[0]) else x
    elif hasattr(x, DECODER):
        decoded = x.get_all_samples()
        x, rate_hz = decoded.data.T, decoded.sample_rate
    if hasattr(x, TENSOR):
        x = x.detach().cpu()
        x = (x.float() if x.is_floating_point() else x).numpy()
    if not isinstance(x, np.ndarray):
        hint = " Put samples into an array: numpy.asarray(x)." if _is_rate(x) else ""
        raise SERError(f"Cannot score {name}, which is a {type(x).__name__}; {EXPECTED}.{hint}")
    if rate_hz is None:
        raise SERError(f"No sampling rate for {name}: give rate_hz with an array.")
    return Input(name, samples=x, rate_hz=rate_hz)


def _clip_of_dict(x: Mapping, name: str) -> Input:
    """A value of a Hugging Face audio column: decoded, or as ``bytes`` and ``path``."""
    name = str(x.get("path") or name)
    if x.get("array") is not None:
        return _clip(np.asarray(x["array"]), x.get("sampling_rate"), name)
    if x.get("bytes") is not None:
        return Input(name, content=bytes(x["bytes"]))
    if x.get("path") is not None:
        return Input(name, path=Path(name))
    raise SERError(
        f"Cannot score {name}, a dict of {', '.join(map(str, x)) or 'nothing'}; expected array "
        "and sampling_rate, or bytes, or path."
    )


def _clip_of_stream(x: Any, name: str) -> Input:
    content = x.read()
    if isinstance(content, str):
        raise SERError(f"Cannot score {name}: it was opened as text; open it with mode 'rb'.")
    return Input(name, content=content)


def _channels_last(samples: np.ndarray) -> np.ndarray:
    """Samples as (S,) or (S, channels); others than one in front of many are ambiguous."""
    if samples.ndim != 2 or not 0 < len(samples) <= MOST_CHANNELS < samples.shape[1]:
        return samples
    if len(samples) == 1:
        return samples[0]
    count = len(samples)
    raise SERError(
        f"Samples of shape {samples.shape} can be {count} channels or {count} clips: give x.T "
        "for channels, or list(x) for clips."
    )


def problem_of(path: Path, problem: audio.AudioProblem) -> str:
    """Why a file cannot be used; a missing suffix is pointed out."""
    if str(problem) != "missing":
        return str(problem)
    path = audio.split_channel(path)[0]
    meant = [suffix for suffix in SUFFIXES if os.path.isfile(f"{path}{suffix}")]
    return f"missing; there is {path.name}{meant[0]}" if meant else "missing"

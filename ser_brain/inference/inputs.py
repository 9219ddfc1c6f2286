"""What a user asks to score: files, folders, patterns, or samples with their rate."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data import audio
from ser_brain.data.audio import SUFFIXES
from ser_brain.inference.waveform import too_long

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
    """One clip: a file, or samples with their rate."""

    name: str
    path: Path | None = None
    samples: np.ndarray | None = None
    rate_hz: int | None = None

    @property
    def place(self) -> Hashable:
        """The same for two clips that are the same audio."""
        return (self.path.resolve(), None, None) if self.path else id(self.samples)

    def read(self, longest_s: float) -> tuple[np.ndarray, int]:
        """Samples, (S,) or (S, channels), and their rate."""
        if self.path is None:
            return self.samples, self.rate_hz
        try:
            self.name.encode()
            audio.inspect(self.path)
        except UnicodeEncodeError:
            raise SERError(f"Cannot read the file: {BAD_NAME}.") from None
        except audio.AudioProblem as problem:
            if str(problem) not in LEFT_TO_WAVEFORM:
                reason = problem_of(self.path, problem)
                raise SERError(f"Cannot read the file: {reason}.") from None
        try:
            with audio.opened(self.path) as file:
                duration_s = file.frames / file.samplerate
                if duration_s > longest_s:  # before it is read: hours would fill the memory
                    raise too_long(duration_s, longest_s)
                samples = file.read(file.frames, dtype="float32", always_2d=True)
                return samples, file.samplerate
        except audio.DAMAGED as error:
            raise SERError(f"Cannot read the file: {error}.") from error


def clips_of(
    x: str | Path | np.ndarray | Sequence, rate_hz: int | None
) -> tuple[list[Input], bool]:
    """The clips in an argument of ``EmotionRecognizer.predict``, and whether it can be several.

    Examples
    --------
    >>> clips_of([np.zeros(8), (np.zeros(8), 8000)], 16000)[0][1].rate_hz
    8000
    """
    if isinstance(x, str | Path) and Path(x).is_dir():
        return [Input(str(path), path=path) for path in _file_or_folder(Path(x))], True
    if isinstance(x, list):
        return [_clip(item, rate_hz, f"clip {n}") for n, item in enumerate(x)], True
    return [_clip(x, rate_hz, "the clip")], False


def _clip(x: object, rate_hz: int | None, name: str) -> Input:
    if isinstance(x, str | Path):
        return Input(str(x), path=Path(x))
    if isinstance(x, tuple) and len(x) == 2:
        x, rate_hz = x
    if not isinstance(x, np.ndarray):
        raise SERError(
            f"Cannot score {name}, which is a {type(x).__name__}; expected a file, a folder, a "
            "numpy array with rate_hz, (array, rate), or a list of these."
        )
    if rate_hz is None:
        raise SERError(f"No sampling rate for {name}: give rate_hz with an array.")
    return Input(name, samples=x, rate_hz=rate_hz)


def problem_of(path: Path, problem: audio.AudioProblem) -> str:
    """Why a file cannot be used; a missing suffix is pointed out."""
    if str(problem) != "missing":
        return str(problem)
    path = audio.split_channel(path)[0]
    meant = [suffix for suffix in SUFFIXES if os.path.isfile(f"{path}{suffix}")]
    return f"missing; there is {path.name}{meant[0]}" if meant else "missing"

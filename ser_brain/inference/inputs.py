"""What can be given to ``EmotionRecognizer.predict``: files, folders, arrays, lists of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_brain import audio
from ser_brain.errors import SERError
from ser_brain.inference.waveform import too_long

# A folder's other files are no audio.
SUFFIXES = audio.SUFFIXES
NO_UTF8 = "its name is no UTF-8; rename it"
# Problems that the waveform's own checks tell better.
LEFT_TO_WAVEFORM = ("silent", "too short", "not a number", "not at full scale 1")


@dataclass(frozen=True)
class Input:
    """One clip: a file, or samples with their rate."""

    name: str
    path: Path | None = None
    samples: np.ndarray | None = None
    rate_hz: int | None = None

    def read(self, longest_s: float) -> tuple[np.ndarray, int]:
        """Samples (S,) or (S, channels) and rate.

        Raises
        ------
        SERError
            If the file cannot be read or is longer than ``longest_s``.
        """
        if self.path is None:
            return self.samples, self.rate_hz
        try:
            self.name.encode()
            audio.inspect(self.path)
        except UnicodeEncodeError:
            raise SERError(f"Cannot read the file: {NO_UTF8}.") from None
        except audio.AudioProblem as problem:
            if str(problem) not in LEFT_TO_WAVEFORM:
                said = problem_of(self.path, problem)
                raise SERError(f"Cannot read the file: {said}.") from None
        try:
            with audio.opened(self.path) as file:
                duration_s = file.frames / file.samplerate
                if duration_s > longest_s:  # before hours of it fill the memory
                    raise too_long(duration_s, longest_s)
                samples = file.read(file.frames, dtype="float32", always_2d=True)
                return samples, file.samplerate
        except audio.DAMAGED as error:
            raise SERError(f"Cannot read the file: {error}.") from error


def named_inputs(
    x: str | Path | np.ndarray | Sequence, rate_hz: int | None
) -> tuple[list[Input], bool]:
    """The clips that an argument means, and whether it means several.

    Parameters
    ----------
    x : path, array, (array, rate) or a list of them
    rate_hz : int, optional
        Of arrays that do not bring their own.

    Raises
    ------
    SERError
        If ``x`` is no audio, an array has no rate, or a folder holds no audio.

    Examples
    --------
    >>> named_inputs([np.zeros(8), (np.zeros(8), 8000)], 16000)[0][1].rate_hz
    8000
    """
    if isinstance(x, str | Path) and Path(x).is_dir():
        return _folder(Path(x)), True
    if isinstance(x, list):
        return [_one(item, rate_hz, f"clip {n}") for n, item in enumerate(x)], True
    return [_one(x, rate_hz, "the clip")], False


def _one(x: object, rate_hz: int | None, name: str) -> Input:
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


def _folder(folder: Path) -> list[Input]:
    files = [path for path in below(folder) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise no_audio(f"the folder {folder}", below(folder))
    return [Input(str(path), path=path) for path in files]


def below(path: Path) -> list[Path]:
    """A file itself; of a folder every file below it that is not hidden, in order of names."""
    if not path.is_dir():
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


def kinds(files: Iterable[Path]) -> str:
    """How many files there are with each ending, the most frequent first.

    Examples
    --------
    >>> kinds(map(Path, ["a.csv", "b.M4A", "c.m4a", "d"]))
    '2 .m4a, 1 .csv, 1 without an ending'
    """
    counts = Counter(file.suffix.lower() for file in files).most_common()
    return ", ".join(f"{count} {suffix or 'without an ending'}" for suffix, count in counts)


def no_audio(where: str, files: Sequence[Path]) -> SERError:
    """The error for a folder or a pattern without a file that has an ending of audio."""
    found = f"found {kinds(files)}. " if files else ""
    return SERError(
        f"No audio in {where}: {found}Expected files with {', '.join(SUFFIXES)}. Convert "
        "others (ffmpeg -i X X.wav), or name a file itself, which is read by its content."
    )


def problem_of(path: Path, problem: audio.AudioProblem) -> str:
    """Why a file cannot be used, and which one may be meant instead."""
    if str(problem) != "missing":
        return str(problem)
    meant = [suffix for suffix in SUFFIXES if os.path.isfile(f"{path}{suffix}")]
    return f"missing; there is {path.name}{meant[0]}" if meant else "missing"

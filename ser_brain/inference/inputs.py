"""What can be given to ``EmotionRecognizer.predict``: files, folders, arrays, lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ser_brain import audio
from ser_brain.errors import SERError
from ser_brain.inference.waveform import too_long

# A folder's other files are no audio.
SUFFIXES = audio.SUFFIXES
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
            audio.inspect(self.path)
        except audio.AudioProblem as problem:
            if str(problem) not in LEFT_TO_WAVEFORM:
                raise SERError(f"Cannot read the file: {problem}.") from None
        try:
            with soundfile.SoundFile(self.path) as file:
                duration_s = file.frames / file.samplerate
                if duration_s > longest_s:  # before hours of it fill the memory
                    raise too_long(duration_s, longest_s)
                return file.read(dtype="float32", always_2d=True), file.samplerate
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
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise SERError(f"{folder} holds no audio ({', '.join(SUFFIXES)}).")
    return [Input(str(path), path=path) for path in files]

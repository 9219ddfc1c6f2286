"""What is scored at once: a clip, a window of a recording, a stretch of speech.

Files are read block by block, so that the memory they need does not grow with their length.

Shapes: S samples, H channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ser_brain import audio
from ser_brain.errors import SERError
from ser_brain.inference.inputs import NO_UTF8, problem_of
from ser_brain.inference.left_out import LeftOut
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.speech import Speech
from ser_brain.inference.waveform import longest, require_rate, too_long
from ser_brain.inference.windows import Windows

BLOCK_S = 10
SHORTEST_HOP_S = 0.01
SILENT = "silent"


@dataclass(frozen=True)
class Piece:
    """A waveform to score.

    Attributes
    ----------
    file : str
    start_s, stop_s : float
        Where it lies in the file.
    waveform_S : numpy.ndarray
        As ``EmotionRecognizer.prepare`` makes it.
    warnings : list of str
    share : float
        How much of the file has been read with it, from 0 to 1.
    """

    file: str
    start_s: float
    stop_s: float
    waveform_S: np.ndarray
    warnings: list[str]
    share: float


@dataclass(frozen=True)
class Cutting:
    """How files are cut into pieces.

    Attributes
    ----------
    window_s, hop_s : float or None
        None scores a file, or a stretch of speech, as one.
    speech : Speech or None
        Finds the speech, which alone is scored; None scores everything.
    """

    window_s: float | None = None
    hop_s: float | None = None
    speech: Speech | None = None


def check_windows(
    window_s: float | None, hop_s: float | None, recognizer: EmotionRecognizer
) -> None:
    """Stop unless a model can score windows of such a length and they leave nothing out.

    Raises
    ------
    SERError
    """
    if window_s is None:
        if hop_s is not None:
            raise SERError("--hop is the step between windows; give --window too.")
        return
    rate_hz = recognizer.sample_rate_hz
    shortest_s = max(recognizer.min_samples / rate_hz, audio.SHORTEST_S)
    longest_s = longest(rate_hz, recognizer.max_samples)
    if not shortest_s <= window_s <= longest_s:
        raise SERError(
            f"Bad --window {window_s:g}; expected {shortest_s:.3g} to {longest_s:g} seconds, "
            "which the model scores as one."
        )
    if hop_s is not None and not SHORTEST_HOP_S <= hop_s <= window_s:
        raise SERError(
            f"Bad --hop {hop_s:g}; expected {SHORTEST_HOP_S:g} seconds or more and, so that "
            f"nothing between two windows is left out, at most the window, {window_s:g}."
        )


def pieces(
    path: Path, recognizer: EmotionRecognizer, cutting: Cutting
) -> Iterator[Piece | LeftOut]:
    """Everything in a file, in order: to be scored, or left out with a reason.

    A file of which nothing can be scored is left out as a whole.

    Parameters
    ----------
    path : Path
    recognizer : EmotionRecognizer
    cutting : Cutting
        Windows as :func:`check_windows` allows them.
    """
    name, read_s = str(path), None
    waiting: list[Piece | LeftOut] = []
    try:
        name.encode()
        duration_s = audio.inspect(path).duration_s
        with audio.opened(path) as file:
            for start, samples in _cut(file, recognizer, cutting):
                item = _item(name, start, samples, file.samplerate, duration_s, recognizer)
                waiting.append(item)
                if isinstance(item, Piece):
                    read_s = item.stop_s
                if read_s is not None:
                    yield from waiting
                    waiting.clear()
    except UnicodeEncodeError:
        shown = name.encode(errors="replace").decode()
        yield LeftOut(shown, None, None, NO_UTF8)
    except audio.AudioProblem as problem:
        yield LeftOut(name, read_s, None, problem_of(path, problem))
    except (SERError, *audio.DAMAGED) as problem:
        yield LeftOut(name, read_s, None, str(problem))
    else:
        if read_s is None:
            reason = waiting[-1].reason if waiting else "no speech found"
            yield LeftOut(name, None, None, reason)


def _cut(
    file: soundfile.SoundFile, recognizer: EmotionRecognizer, cutting: Cutting
) -> Iterator[tuple[int, np.ndarray]]:
    """Place of the first sample and the samples (S, H) of each piece."""
    rate_hz = file.samplerate
    require_rate(rate_hz)  # of one of 1 Hz a window would have no sample
    longest_s = longest(recognizer.sample_rate_hz, recognizer.max_samples)
    blocks = file.blocks(BLOCK_S * rate_hz, frames=file.frames, dtype="float32", always_2d=True)
    if cutting.speech is not None:
        for first, samples in cutting.speech.stretches(blocks, rate_hz, longest_s):
            for start, part in _windows([samples], rate_hz, cutting):
                yield first + start, part
        return
    duration_s = file.frames / rate_hz
    if cutting.window_s is None and duration_s > longest_s:
        raise too_long(duration_s, longest_s)  # before hours of it fill the memory
    yield from _windows(blocks, rate_hz, cutting)


def _windows(
    blocks: Iterable[np.ndarray], rate_hz: int, cutting: Cutting
) -> Iterator[tuple[int, np.ndarray]]:
    if cutting.window_s is None:
        yield 0, np.concatenate(list(blocks))
        return
    hop_s = cutting.window_s if cutting.hop_s is None else cutting.hop_s
    windows = Windows(round(cutting.window_s * rate_hz), round(hop_s * rate_hz))
    for block in blocks:
        yield from windows.feed(block)
    yield from windows.finish()


def _item(
    name: str,
    start: int,
    samples: np.ndarray,
    rate_hz: int,
    duration_s: float,
    recognizer: EmotionRecognizer,
) -> Piece | LeftOut:
    start_s, stop_s = start / rate_hz, (start + len(samples)) / rate_hz
    if np.abs(samples).max() <= audio.SILENCE_PEAK:
        return LeftOut(name, start_s, stop_s, SILENT)
    try:
        waveform_S, warnings = recognizer.prepare(samples, rate_hz)
    except SERError as error:
        return LeftOut(name, start_s, stop_s, str(error))
    return Piece(name, start_s, stop_s, waveform_S, warnings, min(1.0, stop_s / duration_s))

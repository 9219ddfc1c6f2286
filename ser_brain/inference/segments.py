"""What is scored at once: a clip, a window of a recording, a stretch of speech.

Files are read block by block, so that the memory they need does not grow with their length.

Shapes: S samples, H channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import torch

from ser_brain.core.errors import SERError
from ser_brain.core.tables import Table
from ser_brain.data import audio
from ser_brain.data.resampling import resample
from ser_brain.inference.recognizer import NO_UTF8, EmotionRecognizer, problem_of
from ser_brain.inference.waveform import longest, require_rate, too_long
from ser_brain.inference.windows import Held, Windows

RATE_HZ = 16_000
FRAME = 512  # samples at RATE_HZ that the detector takes at once

# Most pauses within an utterance are shorter; Silero's own 0.1 s cuts utterances apart.
PAUSE_MS = 500
SHORTEST_S = 0.25  # as in Silero's get_speech_timestamps: what is shorter is a click
BACK_S = 0.1  # by how much a start may lie before the frame that shows it


def load_speech() -> Speech:
    """Silero's detector.

    Raises
    ------
    SERError
        If ``silero-vad`` is not installed.
    """
    threads = torch.get_num_threads()
    try:
        import silero_vad
    except ImportError as error:
        raise SERError(
            "--vad needs the package silero-vad: pip install 'ser-recipes[vad]'. Without it, "
            "cut recordings into windows: --window 4 --hop 1."
        ) from error
    finally:
        torch.set_num_threads(threads)  # Its import leaves one thread to all of torch.
    events = silero_vad.VADIterator(
        silero_vad.load_silero_vad(), sampling_rate=RATE_HZ, min_silence_duration_ms=PAUSE_MS
    )

    def of_recording() -> Callable[[torch.Tensor], dict | None]:
        events.reset_states()
        return events

    return Speech(of_recording)


class Speech:
    """Finds stretches of speech.

    Parameters
    ----------
    detector : callable
        Gives, for each recording, what takes it frame by frame and says ``{"start": place}``
        or ``{"end": place}``, in samples at ``RATE_HZ``, where speech begins or has ended.
    """

    def __init__(self, detector: Callable[[], Callable[[torch.Tensor], dict | None]]):
        self._detector = detector

    def stretches(
        self, blocks: Iterable[np.ndarray], rate_hz: int, longest_s: float
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Stretches of speech in a recording.

        Parameters
        ----------
        blocks : iterable of numpy.ndarray
            The recording in order, (S, H) each, whole seconds but for the last.
        rate_hz : int
        longest_s : float
            A stretch that goes on for longer is cut there.

        Yields
        ------
        place : int
            Of the first sample.
        samples : numpy.ndarray, (S, H)
        """
        detect, held, began = self._detector(), Held(), None
        heard, rest_V = 0, np.zeros(0, np.float32)
        shortest, longest, back = (
            round(seconds * rate_hz) for seconds in (SHORTEST_S, longest_s, BACK_S)
        )
        for block in blocks:
            held.add(block)
            rest_V = np.concatenate([rest_V, _at_detector_rate(block, rate_hz)])
            while len(rest_V) >= FRAME:
                event = detect(torch.from_numpy(rest_V[:FRAME])) or {}
                rest_V, heard = rest_V[FRAME:], heard + FRAME
                now = round(heard * rate_hz / RATE_HZ)
                if "start" in event:
                    began = max(held.first, round(event["start"] * rate_hz / RATE_HZ))
                elif "end" in event:
                    stop = round(event["end"] * rate_hz / RATE_HZ)
                    if stop - began >= shortest:
                        yield began, held.between(began, stop)
                    began = None
                elif began is not None and now - began >= longest:
                    yield began, held.between(began, began + longest)
                    began += longest
            held.forget(held.end - back if began is None else began)
        if began is not None and held.end - began >= shortest:
            yield began, held.between(began, held.end)


def _at_detector_rate(block: np.ndarray, rate_hz: int) -> np.ndarray:
    return resample(np.ascontiguousarray(block.mean(axis=1)), rate_hz, RATE_HZ)


@dataclass(frozen=True)
class LeftOut:
    """A file, or a part of it, without a score.

    Attributes
    ----------
    file : str
    start_s, stop_s : float or None
        Where it lies in the file; None for its beginning or its end.
    reason : str
    """

    file: str
    start_s: float | None
    stop_s: float | None
    reason: str

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the file has a score."""
        return self.start_s is None

    @property
    def is_problem(self) -> bool:
        """Whether the file could not be used, or not to its end; silence within is none."""
        return self.stop_s is None


def merged(left_out: Iterable[LeftOut]) -> list[LeftOut]:
    """Put neighbours together: windows that touch or overlap, left out for one reason.

    The last window of a recording may lie within the one before it.

    Examples
    --------
    >>> windows = [LeftOut("a.wav", start, start + 4, "silent") for start in (0, 1, 2, 9)]
    >>> [(item.start_s, item.stop_s) for item in merged(windows)]
    [(0, 6), (9, 13)]
    >>> merged([LeftOut("a.wav", 0, 5, "silent"), LeftOut("a.wav", 1, 3, "silent")])[0].stop_s
    5
    """
    found: list[LeftOut] = []
    for item in left_out:
        if found and _touch(found[-1], item):
            ends = (found[-1].stop_s, item.stop_s)
            found[-1] = replace(found[-1], stop_s=None if None in ends else max(ends))
        else:
            found.append(item)
    return found


def table(left_out: Iterable[LeftOut]) -> Table:
    """One row for each, in seconds."""
    rows = [[item.file, item.start_s, item.stop_s, item.reason] for item in left_out]
    return Table("left_out", "", ["file", "start", "stop", "reason"], rows)


def _touch(one: LeftOut, other: LeftOut) -> bool:
    if (one.file, one.reason) != (other.file, other.reason) or None in (
        one.stop_s,
        other.start_s,
    ):
        return False
    return other.start_s <= one.stop_s


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

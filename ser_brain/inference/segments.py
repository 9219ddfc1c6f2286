"""Files become segments that are scored as one: a clip, a window, a stretch of speech, a part.

Files are read block by block, so the memory they need does not grow with their length.

Shapes: S samples, H channels, F samples at the detector's rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soundfile
import torch

from ser_brain.core.errors import SERError
from ser_brain.data import audio
from ser_brain.data.audio import resample
from ser_brain.data.segment_tables import Part
from ser_brain.inference.inputs import BAD_NAME, problem_of
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.waveform import longest, require_rate, too_long
from ser_brain.inference.windows import RecentSamples, cut_windows, window_starts

BLOCK_S = 10
OVERRUN_S = 0.5  # frames of a diariser may end this long after the recording


@dataclass(frozen=True)
class Segmentation:
    """How files are cut into segments.

    Windows are such as ``check_windows`` allows; without, a file, a part or a stretch of speech
    is scored as one. Only the given parts of each file are scored, or only the speech that a
    detector finds; without, everything is.
    """

    window_s: float | None = None
    hop_s: float | None = None
    speech: SpeechDetector | None = None
    parts: Mapping[Path, Sequence[Part]] | None = None


@dataclass(frozen=True)
class Segment:
    """A waveform to score, and its place in the file."""

    file: str
    start_s: float
    stop_s: float
    waveform_S: np.ndarray  # as EmotionRecognizer.prepare makes it
    warnings: list[str]
    share: float  # how much of the file has been read with it, from 0 to 1
    facts: Mapping[str, str] = field(default_factory=dict)  # of the part: speaker, id, time


@dataclass(frozen=True)
class Skipped:
    """A file, or a part of it, without a score; None is the file's beginning or end."""

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
        """Whether the file could not be used, or not to its end; silence within it is fine."""
        return self.stop_s is None


def segments(
    path: Path, recognizer: EmotionRecognizer, segmentation: Segmentation
) -> Iterator[Segment | Skipped]:
    """Everything in a file, in order: segments to score, and skipped parts with a reason.

    A file of which nothing can be scored is skipped as a whole.
    """
    name, scored_to_s = str(path), None
    waiting: list[Segment | Skipped] = []
    try:
        name.encode()
        duration_s = audio.inspect(path).duration_s
        with audio.opened(path) as file:
            if segmentation.parts is None:
                pieces = ((*one, {}) for one in _cut(file, recognizer, segmentation))
            else:
                chosen = segmentation.parts[path]
                windows = segmentation.window_s, segmentation.hop_s
                pieces = _cut_parts(file, recognizer, chosen, *windows)
            for start, samples, facts in pieces:
                place_s = (start / file.samplerate, (start + len(samples)) / file.samplerate)
                try:
                    if np.abs(samples).max() <= audio.SILENCE_PEAK:
                        raise SERError("silent")
                    prepared = recognizer.prepare(samples, file.samplerate)
                except SERError as problem:
                    waiting.append(Skipped(name, *place_s, str(problem)))
                else:
                    share = min(1.0, place_s[1] / duration_s)
                    waiting.append(Segment(name, *place_s, *prepared, share, facts))
                    scored_to_s = place_s[1]
                # Parts are only listed once it is known that the file has a score at all.
                if scored_to_s is not None:
                    yield from waiting
                    waiting.clear()
    except UnicodeEncodeError:
        shown = name.encode(errors="replace").decode()
        yield Skipped(shown, None, None, BAD_NAME)
    except audio.AudioProblem as problem:
        yield Skipped(name, scored_to_s, None, problem_of(path, problem))
    except (SERError, *audio.DAMAGED) as problem:
        yield Skipped(name, scored_to_s, None, str(problem))
    else:
        if scored_to_s is None:
            reason = waiting[-1].reason if waiting else "no speech found"
            yield Skipped(name, None, None, reason)


def _cut(
    file: soundfile.SoundFile, recognizer: EmotionRecognizer, segmentation: Segmentation
) -> Iterator[tuple[int, np.ndarray]]:
    """Place of the first sample and the samples (S, H) of each segment."""
    rate_hz = file.samplerate
    require_rate(rate_hz)  # at 1 Hz, a window would have no sample
    longest_s = longest(recognizer.sample_rate_hz, recognizer.max_samples)
    windows = segmentation.window_s, segmentation.hop_s
    blocks = file.blocks(BLOCK_S * rate_hz, frames=file.frames, dtype="float32", always_2d=True)
    if segmentation.speech is not None:
        for first, samples in segmentation.speech.stretches(blocks, rate_hz, longest_s):
            for start, part in cut_windows([samples], rate_hz, *windows):
                yield first + start, part
        return
    duration_s = file.frames / rate_hz
    if segmentation.window_s is None and duration_s > longest_s:
        raise too_long(duration_s, longest_s)  # before hours of it fill the memory
    yield from cut_windows(blocks, rate_hz, *windows)


def _cut_parts(
    file: soundfile.SoundFile,
    recognizer: EmotionRecognizer,
    parts: Sequence[Part],
    window_s: float | None,
    hop_s: float | None,
) -> Iterator[tuple[int, np.ndarray, Mapping[str, str]]]:
    """The same for given parts, with their facts; the file is read once, up to the last part.

    Memory holds a segment and a block, and parts may overlap.
    """
    rate_hz = file.samplerate
    require_rate(rate_hz)
    longest_s = longest(recognizer.sample_rate_hz, recognizer.max_samples)
    places = []
    for part in parts:
        duration_s = file.frames / rate_hz
        if part.stop_s > duration_s + OVERRUN_S or part.start_s >= duration_s:
            raise SERError(
                f"a segment is from {part.start_s:g} s to {part.stop_s:g} s, and the recording "
                f"ends at {duration_s:g} s"
            )
        if window_s is None and part.stop_s - part.start_s > longest_s:
            raise too_long(part.stop_s - part.start_s, longest_s)
        first = round(part.start_s * rate_hz)
        count = min(round(part.stop_s * rate_hz), file.frames) - first
        size = count if window_s is None else round(window_s * rate_hz)
        hop = size if hop_s is None else round(hop_s * rate_hz)
        places += [
            (first + start, min(size, count), part.facts)
            for start in window_starts(count, size, hop)
        ]
    blocks = file.blocks(BLOCK_S * rate_hz, frames=file.frames, dtype="float32", always_2d=True)
    recent = RecentSamples()
    for start, count, facts in sorted(places, key=lambda place: place[:2]):
        recent.forget(min(start, recent.end))
        while recent.end < start + count:
            block = next(blocks, None)
            if block is None:
                raise SERError("truncated")
            recent.add(block)
            recent.forget(min(start, recent.end))
        yield start, recent.between(start, start + count), facts


def merged(skipped: Iterable[Skipped]) -> list[Skipped]:
    """Join windows that touch or overlap and were skipped for the same reason.

    The last window of a recording may lie within the one before it.

    Examples
    --------
    >>> windows = [Skipped("a.wav", start, start + 4, "silent") for start in (0, 1, 2, 9)]
    >>> [(item.start_s, item.stop_s) for item in merged(windows)]
    [(0, 6), (9, 13)]
    """
    found: list[Skipped] = []
    for item in skipped:
        last = found[-1] if found else None
        if (
            last is not None
            and (last.file, last.reason) == (item.file, item.reason)
            and None not in (last.stop_s, item.start_s)
            and item.start_s <= last.stop_s
        ):
            stop_s = None if item.stop_s is None else max(last.stop_s, item.stop_s)
            found[-1] = replace(last, stop_s=stop_s)
        else:
            found.append(item)
    return found


DETECTOR_HZ = 16_000
FRAME = 512  # samples at DETECTOR_HZ that the detector takes at once

# Most pauses within an utterance are shorter; Silero's own 0.1 s cuts utterances apart.
PAUSE_MS = 500
SHORTEST_SPEECH_S = 0.25  # as in Silero's get_speech_timestamps: anything shorter is a click
BACK_S = 0.1  # a start may lie this much before the frame in which it is detected


def load_speech_detector() -> SpeechDetector:
    """Silero's detector, or an error if ``silero-vad`` is not installed."""
    threads = torch.get_num_threads()
    try:
        import silero_vad
    except ImportError as error:
        raise SERError(
            "--vad needs the package silero-vad: pip install 'ser-recipes[vad]'. Without it, "
            "cut recordings into windows: --window 4 --hop 1."
        ) from error
    finally:
        torch.set_num_threads(threads)  # the import leaves torch with a single thread
    events = silero_vad.VADIterator(
        silero_vad.load_silero_vad(),
        sampling_rate=DETECTOR_HZ,
        min_silence_duration_ms=PAUSE_MS,
    )

    def of_recording() -> Callable[[torch.Tensor], dict | None]:
        events.reset_states()
        return events

    return SpeechDetector(of_recording)


class SpeechDetector:
    """Finds stretches of speech.

    ``events`` is called for each recording. It returns what takes the recording frame by frame,
    (F,), and answers ``{"start": place}`` or ``{"end": place}``, in samples at ``DETECTOR_HZ``,
    when speech has begun or ended.
    """

    def __init__(self, events: Callable[[], Callable[[torch.Tensor], dict | None]]):
        self._events = events

    def stretches(
        self, blocks: Iterable[np.ndarray], rate_hz: int, longest_s: float
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Stretches of speech: the place of the first sample, and the samples (S, H).

        ``blocks`` are the recording in order, (S, H) each, whole seconds except for the last. A
        stretch longer than ``longest_s`` is cut there.
        """
        event_of, recent, began = self._events(), RecentSamples(), None
        done, rest_F = 0, np.zeros(0, np.float32)
        shortest, most, back = (
            round(seconds * rate_hz) for seconds in (SHORTEST_SPEECH_S, longest_s, BACK_S)
        )
        for block in blocks:
            recent.add(block)
            mono_S = np.ascontiguousarray(block.mean(axis=1))
            rest_F = np.concatenate([rest_F, resample(mono_S, rate_hz, DETECTOR_HZ)])
            while len(rest_F) >= FRAME:
                event = event_of(torch.from_numpy(rest_F[:FRAME])) or {}
                rest_F, done = rest_F[FRAME:], done + FRAME
                now = round(done * rate_hz / DETECTOR_HZ)
                if "start" in event:
                    began = max(recent.first, round(event["start"] * rate_hz / DETECTOR_HZ))
                elif "end" in event:
                    stop = round(event["end"] * rate_hz / DETECTOR_HZ)
                    if stop - began >= shortest:
                        yield began, recent.between(began, stop)
                    began = None
                elif began is not None and now - began >= most:
                    yield began, recent.between(began, began + most)
                    began += most
            recent.forget(recent.end - back if began is None else began)
        if began is not None and recent.end - began >= shortest:
            yield began, recent.between(began, recent.end)

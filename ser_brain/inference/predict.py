"""Scoring files of any number and length: read ahead, batched by length, returned in order.

Memory holds two chunks of audio: the one being scored and the one being read meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ser_brain.core.log import Progress
from ser_brain.data.audio import split_channel
from ser_brain.data.dataset import batches
from ser_brain.inference.adapting import RunningAdapter
from ser_brain.inference.recognizer import EmotionRecognizer, Scores
from ser_brain.inference.segments import Segment, Segmentation, Skipped, segments

# A chunk: enough to find clips of similar length; at 16 kHz at most about 40 MB.
CHUNK_S = 600.0
CHUNK_ITEMS = 500

# Padded audio of a batch on a GPU. A CPU is fastest with a batch of one: its caches hold the
# numbers of one clip, no frame is padding, and attention needs no mask.
BATCH_S = 60.0
DECIMALS = 6

# Columns of adapted emotions: the pieces so far, and the class without adaptation.
RUNNING = ("adapted_to", "unadapted_emotion")


def predict(
    recognizer: EmotionRecognizer,
    files: Mapping[Path, int],
    segmentation: Segmentation,
    copied: Sequence[str] = (),
    running: RunningAdapter | None = None,
    min_confidence: float = 0.0,
) -> Iterator[tuple[Chunk, list[dict]]]:
    """Score files, chunk by chunk, with a progress bar.

    ``files`` are those to score, and how many segments of each to skip because they are done;
    ``copied`` are the facts of given parts that go to the rows, and ``running`` adapts the
    emotions in the order of the rows. Where no class is as probable as ``min_confidence``,
    the emotion is ``no_answer``. Yields each chunk and its rows: one for each of
    ``chunk.segments``, with the keys of :func:`columns`.
    """

    def read(path: Path) -> Iterator[Segment | Skipped]:
        return segments(path, recognizer, segmentation)

    bar = tqdm(
        total=sum(map(_size, files)),
        desc="predicting",
        bar_format="{l_bar}{bar}| {elapsed}<{remaining}",
        disable=None,
    )
    progress = Progress("predicting", "MB of audio", bar.total / 1e6)
    with bar:
        for chunk in _ahead(chunks(files, read)):
            scores = score_all(recognizer, [each.waveform_S for each in chunk.segments])
            pairs = zip(chunk.segments, scores, strict=True)
            chosen = recognizer, copied, running, min_confidence
            yield chunk, [_row(*pair, *chosen) for pair in pairs]
            bar.update(chunk.bytes_read - bar.n)
            if bar.disable:
                progress.add(chunk.bytes_read / 1e6 - progress.done)


def _ahead(found: Iterator[Chunk]) -> Iterator[Chunk]:
    """The same chunks, each read while the one before it is being scored."""
    # Reading gets one thread; the model keeps the others.
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as reader:
        coming = reader.submit(next, found, None)
        while (chunk := coming.result()) is not None:
            coming = reader.submit(next, found, None)
            yield chunk


def columns(
    recognizer: EmotionRecognizer, copied: Sequence[str] = (), adapted: bool = False
) -> list[str]:
    """The keys of a row, in order."""
    emotions = recognizer.emotions
    of_classes = ["emotion", *(f"p_{emotion}" for emotion in emotions)] if emotions else []
    of_classes += RUNNING if adapted else ()
    return ["file", "start", "stop", *copied, *of_classes, *recognizer.dimensions, "warnings"]


def _row(
    segment: Segment,
    scores: Scores,
    recognizer: EmotionRecognizer,
    copied: Sequence[str],
    running: RunningAdapter | None,
    min_confidence: float,
) -> dict:
    adapted = {}
    if running is not None:
        unadapted = recognizer.emotions[int(scores.log_probabilities.argmax())]
        speaker = segment.facts.get("speaker") or None
        found = running.log_probabilities(scores.embedding, speaker)
        scores = replace(scores, log_probabilities=found)
        adapted = dict(zip(RUNNING, (running.count, unadapted), strict=True))
    heads = recognizer.emotions, recognizer.va_range, recognizer.dimensions
    named = scores.named(*heads, min_confidence=min_confidence)
    probabilities = named["probabilities"] or {}
    values = {
        "file": segment.file,
        "start": segment.start_s,
        "stop": segment.stop_s,
        **segment.facts,
        **named,
        **{f"p_{emotion}": p for emotion, p in probabilities.items()},
        **adapted,
        "warnings": "; ".join(segment.warnings),
    }
    return {
        name: round(values[name], DECIMALS) if isinstance(values[name], float) else values[name]
        for name in columns(recognizer, copied, bool(adapted))
    }


@dataclass
class Chunk:
    """Segments of one file or several that are scored and written together."""

    items: list[Segment | Skipped] = field(default_factory=list)  # in order of file and time
    finished: list[Path] = field(default_factory=list)  # files that end in it and were usable
    # The file it ends in, and how many of its segments have been handled so far.
    unfinished: tuple[Path, int] | None = None
    bytes_read: float = 0.0  # of all files, up to its end

    @property
    def segments(self) -> list[Segment]:
        """The items to score."""
        return [item for item in self.items if isinstance(item, Segment)]

    @property
    def skipped(self) -> list[Skipped]:
        """The items without a score."""
        return [item for item in self.items if isinstance(item, Skipped)]

    @property
    def seconds(self) -> float:
        """Length of the audio to score."""
        return sum(item.stop_s - item.start_s for item in self.segments)


def chunks(
    files: Mapping[Path, int], read: Callable[[Path], Iterator[Segment | Skipped]]
) -> Iterator[Chunk]:
    """Put the segments that ``read`` finds in files into chunks; the last may be empty."""
    chunk, bytes_before = Chunk(), 0
    for path, done in files.items():
        size, share, usable = _size(path), 0.0, True
        for count, item in enumerate(islice(read(path), done, None), start=done + 1):
            chunk.items.append(item)
            if isinstance(item, Segment):
                share = item.share
            else:
                usable = not item.is_whole
            if chunk.seconds >= CHUNK_S or len(chunk.items) >= CHUNK_ITEMS:
                chunk.unfinished = (path, count) if usable else None
                chunk.bytes_read = bytes_before + size * share
                yield chunk
                chunk = Chunk()
        bytes_before += size
        if usable:
            chunk.finished.append(path)
    chunk.bytes_read = bytes_before
    yield chunk


def _size(path: Path) -> int:
    file = split_channel(path)[0]
    return file.stat().st_size if file.exists() else 0


def score_all(recognizer: EmotionRecognizer, waveforms: Sequence[np.ndarray]) -> list[Scores]:
    """Score clips of any lengths, as ``recognizer.prepare`` makes them, and keep their order.

    A GPU scores them in batches, a CPU one on each core.
    """
    if recognizer.device == "cpu":
        return _on_each_core(recognizer, waveforms)
    most = round(BATCH_S * recognizer.sample_rate_hz)
    scores: list[Scores | None] = [None] * len(waveforms)
    for places in batches([len(waveform_S) for waveform_S in waveforms], most):
        found = recognizer.score([waveforms[place] for place in places])
        for place, of_clip in zip(places, found, strict=True):
            scores[place] = of_clip
    return scores


def _on_each_core(
    recognizer: EmotionRecognizer, waveforms: Sequence[np.ndarray]
) -> list[Scores]:
    # One clip per core is faster than one clip on all cores, which wait for each other. The
    # longest come first, so that no core is left alone with a long clip at the end.
    longest_first = sorted(range(len(waveforms)), key=lambda place: -len(waveforms[place]))
    cores = ThreadPoolExecutor(
        torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)
    )
    try:
        scoring = {
            place: cores.submit(recognizer.score, [waveforms[place]]) for place in longest_first
        }
        return [scoring[place].result()[0] for place in range(len(waveforms))]
    finally:
        cores.shutdown(cancel_futures=True)  # after Ctrl-C or an error, score no more

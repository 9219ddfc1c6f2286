"""Scoring files of any number and length: read ahead, batched by length, given in order.

Memory holds two chunks of audio: the one that is scored and the one that is read meanwhile.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ser_brain.core.errors import SERError
from ser_brain.core.log import Progress, get_logger
from ser_brain.inference.recognizer import (
    SUFFIXES,
    EmotionRecognizer,
    Scores,
    below,
    kinds,
    no_audio,
)
from ser_brain.inference.segments import Cutting, LeftOut, Piece, pieces

# Padded audio of a batch on a GPU. A CPU is fastest with a batch of one: its caches hold the
# numbers of one clip, no frame is padding, and attention needs no mask.
BATCH_S = 60.0


def batches(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Put clips into batches, longest first.

    Parameters
    ----------
    lengths : sequence of int
        Samples of each clip.
    most : int
        Samples of a batch with its padding; a longer clip is a batch of its own.

    Returns
    -------
    list of list of int
        Places in ``lengths``, each once.

    Examples
    --------
    >>> batches([3, 9, 4, 2], most=8)
    [[1], [2, 0], [3]]
    """
    found: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if found and lengths[found[-1][0]] * (len(found[-1]) + 1) <= most:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def score_all(recognizer: EmotionRecognizer, waveforms: Sequence[np.ndarray]) -> list[Scores]:
    """Score clips of any lengths: on a GPU in batches, on a CPU one on each core.

    Parameters
    ----------
    recognizer : EmotionRecognizer
    waveforms : sequence of numpy.ndarray
        As ``recognizer.prepare`` makes them.

    Returns
    -------
    list of Scores
        In the order of the clips.
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
    """A clip at a time on every core: they wait for each other less than if they share one."""
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
        cores.shutdown(cancel_futures=True)  # who interrupts does not wait for the others


logger = get_logger(__name__)
STDIN = "-"


def audio_files(inputs: Sequence[str], stdin: Iterable[str] = ()) -> list[Path]:
    """Every file that the inputs name, each once, in the order of the inputs.

    Parameters
    ----------
    inputs : sequence of str
        A file (taken whatever its suffix; one that is missing is reported with those that
        cannot be read), a folder (every audio file below it, in order of names), a pattern
        such as ``'clips/**/*.flac'`` (every audio file it matches, or below a folder it
        matches), or ``-`` for paths on standard input.
    stdin : iterable of str
        Lines, each a file or a folder.

    Raises
    ------
    SERError
        If a folder or a pattern leads to no audio, or nothing is named.
    """
    found = [path for text in inputs for path in _named(text, stdin)]
    if not found:
        raise SERError("No path on standard input; expected one a line.")
    return list(dict.fromkeys(found))


def _named(text: str, stdin: Iterable[str]) -> Iterator[Path]:
    if text == STDIN:
        lines = (line.rstrip("\r\n") for line in stdin)
        for line in filter(None, lines):
            yield from _file_or_folder(Path(line))
    elif glob.has_magic(text) and not os.path.lexists(text):
        matches = map(Path, sorted(glob.glob(text, recursive=True)))
        found = [file for match in matches for file in below(match)]
        yield from _audio_of(found, f"the pattern {text!r}")
    else:
        yield from _file_or_folder(Path(text))


def _file_or_folder(path: Path) -> Iterable[Path]:
    return _audio_of(below(path), f"the folder {path}") if path.is_dir() else [path]


def _audio_of(files: Sequence[Path], where: str) -> list[Path]:
    """Those with a suffix of audio; the others are counted."""
    audio = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not audio:
        raise no_audio(where, files)
    others = [file for file in files if file.suffix.lower() not in SUFFIXES]
    if others:
        logger.info(f"Files in {where} that are passed over by their suffix: {kinds(others)}.")
    return audio


# Enough to find clips of like length; at 16 kHz at most about 40 MB.
CHUNK_S = 600.0
CHUNK_ITEMS = 500
DECIMALS = 6


@dataclass
class Chunk:
    """Pieces of one file or several that are scored and written together.

    Attributes
    ----------
    items : list of Piece or LeftOut
        In the order of the files and of time.
    finished : list of Path
        Files that end in it, but for those that could not be used at all.
    unfinished : (Path, int) or None
        The file it ends in, and how many of its pieces have been dealt with so far.
    bytes_read : float
        Of all files, up to its end.
    seconds : float
        To be scored.
    """

    items: list[Piece | LeftOut] = field(default_factory=list)
    finished: list[Path] = field(default_factory=list)
    unfinished: tuple[Path, int] | None = None
    bytes_read: float = 0.0
    seconds: float = 0.0

    def add(self, item: Piece | LeftOut) -> None:
        """Take one more."""
        self.items.append(item)
        if isinstance(item, Piece):
            self.seconds += item.stop_s - item.start_s

    @property
    def pieces(self) -> list[Piece]:
        """What is to be scored."""
        return [item for item in self.items if isinstance(item, Piece)]

    @property
    def left_out(self) -> list[LeftOut]:
        """What is not."""
        return [item for item in self.items if isinstance(item, LeftOut)]

    @property
    def is_full(self) -> bool:
        """Whether it is to be scored before more is read."""
        return self.seconds >= CHUNK_S or len(self.items) >= CHUNK_ITEMS


def predict(
    recognizer: EmotionRecognizer, files: Mapping[Path, int], cutting: Cutting
) -> Iterator[tuple[Chunk, list[dict]]]:
    """Score files, chunk by chunk, with a progress bar.

    Parameters
    ----------
    recognizer : EmotionRecognizer
    files : mapping
        File -> how many of its pieces to pass over, because they are done.
    cutting : Cutting

    Yields
    ------
    chunk : Chunk
    rows : list of dict
        Of ``chunk.pieces``, with the keys of :func:`columns`.
    """

    def read(path: Path) -> Iterator[Piece | LeftOut]:
        return pieces(path, recognizer, cutting)

    bar = tqdm(
        total=sum(map(_size, files)),
        desc="predicting",
        bar_format="{l_bar}{bar}| {elapsed}<{remaining}",
        disable=None,
    )
    progress = Progress("predicting", "MB of audio", bar.total / 1e6)
    with bar:
        for chunk in _ahead(chunks(files, read)):
            scores = score_all(recognizer, [piece.waveform_S for piece in chunk.pieces])
            pairs = zip(chunk.pieces, scores, strict=True)
            yield chunk, [_row(piece, of_piece, recognizer) for piece, of_piece in pairs]
            bar.update(chunk.bytes_read - bar.n)
            if bar.disable:
                progress.add(chunk.bytes_read / 1e6 - progress.done)


def chunks(
    files: Mapping[Path, int], read: Callable[[Path], Iterator[Piece | LeftOut]]
) -> Iterator[Chunk]:
    """Put the pieces of files into chunks; the last may have none.

    Parameters
    ----------
    files : mapping
        As in :func:`predict`.
    read : callable
        File -> its pieces, the same whenever it is called.
    """
    chunk, bytes_before = Chunk(), 0
    for path, done in files.items():
        size, share, usable = _size(path), 0.0, True
        for count, item in enumerate(islice(read(path), done, None), start=done + 1):
            chunk.add(item)
            if isinstance(item, Piece):
                share = item.share
            else:
                usable = not item.is_whole
            if chunk.is_full:
                chunk.unfinished = (path, count) if usable else None
                chunk.bytes_read = bytes_before + size * share
                yield chunk
                chunk = Chunk()
        bytes_before += size
        if usable:
            chunk.finished.append(path)
    chunk.bytes_read = bytes_before
    yield chunk


def columns(recognizer: EmotionRecognizer) -> list[str]:
    """Names of what a row says, in order."""
    emotions = recognizer.emotions
    of_classes = ["emotion", *(f"p_{emotion}" for emotion in emotions)] if emotions else []
    of_scale = [] if recognizer.va_range is None else ["valence", "arousal"]
    return ["file", "start", "stop", *of_classes, *of_scale, "warnings"]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _row(piece: Piece, scores: Scores, recognizer: EmotionRecognizer) -> dict:
    said = scores.named(recognizer.emotions, recognizer.va_range)
    probabilities = said["probabilities"] or {}
    values = {
        "file": piece.file,
        "start": piece.start_s,
        "stop": piece.stop_s,
        **said,
        **{f"p_{emotion}": p for emotion, p in probabilities.items()},
        "warnings": "; ".join(piece.warnings),
    }
    return {
        name: round(value, DECIMALS) if isinstance(value, float) else value
        for name, value in ((name, values[name]) for name in columns(recognizer))
    }


def _ahead(found: Iterator[Chunk]) -> Iterator[Chunk]:
    """The same chunks, each read while the one before it is worked on."""
    # One thread to reading; the model keeps the others.
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as reader:
        coming = reader.submit(next, found, None)
        while (chunk := coming.result()) is not None:
            coming = reader.submit(next, found, None)
            yield chunk

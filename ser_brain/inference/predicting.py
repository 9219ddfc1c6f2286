"""Scoring files of any number and length: read ahead, batched by length, given in order.

Memory holds two chunks of audio: the one that is scored and the one that is read meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from tqdm import tqdm

from ser_brain.inference.batches import score_all
from ser_brain.inference.left_out import LeftOut
from ser_brain.inference.pieces import Cutting, Piece, pieces
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.scores import Scores
from ser_brain.log import Progress

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

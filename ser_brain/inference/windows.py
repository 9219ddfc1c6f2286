"""Cutting recordings into windows, in memory that does not grow with their length.

``ser predict``, the app and ``EmotionRecognizer.stream`` all cut here, so they score the same
windows of a recording.

Shapes: S samples, H channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.inference.results import Prediction, Predictions
from ser_brain.inference.waveform import longest, shortest

if TYPE_CHECKING:
    from ser_brain.inference.recognizer import EmotionRecognizer
SHORTEST_HOP_S = 0.01


def check_windows(
    window_s: float | None, hop_s: float | None, model: EmotionRecognizer
) -> None:
    """Stop unless a model can score windows of this length and no sample falls between them.

    Without a window, a file is scored as one clip. Without a hop, windows do not overlap.
    """
    if window_s is None:
        if hop_s is not None:
            raise SERError("--hop is the step between windows; give --window too.")
        return
    shortest_s = shortest(model.sample_rate_hz, model.min_samples)
    longest_s = longest(model.sample_rate_hz, model.max_samples)
    if not shortest_s <= window_s <= longest_s:
        raise SERError(
            f"Bad window of {window_s:g} s; this model scores clips of {shortest_s:.3g} to "
            f"{longest_s:g} s."
        )
    if hop_s is not None and not SHORTEST_HOP_S <= hop_s <= window_s:
        raise SERError(
            f"Bad hop of {hop_s:g} s; expected {SHORTEST_HOP_S:g} s or more, and at most the "
            f"window of {window_s:g} s, so that no speech falls between two windows."
        )


def cut_windows(
    blocks: Iterable[np.ndarray], rate_hz: int, window_s: float | None, hop_s: float | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Cut a recording that comes in blocks, (S,) or (S, H) each, into windows.

    Yields the place of a window's first sample, and its samples: the whole recording if
    ``window_s`` is None.
    """
    if window_s is None:
        yield 0, np.concatenate(list(blocks))
        return
    windows = Windows(window_s, window_s if hop_s is None else hop_s, rate_hz)
    for block in blocks:
        yield from windows.feed(block)
    yield from windows.finish()


def window_starts(count: int, size: int, hop: int) -> list[int]:
    """Where :class:`Windows` cuts a stretch of ``count`` samples, which is known beforehand.

    Examples
    --------
    >>> window_starts(9, 4, 2), window_starts(3, 4, 2), window_starts(0, 4, 2)
    ([0, 2, 4, 5], [0], [])
    """
    starts = list(range(0, max(count - size, 0) + 1, hop)) if count > 0 else []
    return starts if not starts or starts[-1] + size >= count else [*starts, count - size]


class Windows:
    """Windows of one length, one every hop, that cover every sample.

    The last window ends where the recording ends, so it may overlap the one before it more than
    the others do. A recording shorter than a window is one window.

    Examples
    --------
    >>> windows = Windows(window_s=4, hop_s=2, rate_hz=1)
    >>> found = windows.feed(np.arange(5)) + windows.feed(np.arange(5, 9)) + windows.finish()
    >>> [(start, samples.tolist()) for start, samples in found]
    [(0, [0, 1, 2, 3]), (2, [2, 3, 4, 5]), (4, [4, 5, 6, 7]), (5, [5, 6, 7, 8])]
    """

    def __init__(self, window_s: float, hop_s: float, rate_hz: int):
        self._size, self._hop = round(window_s * rate_hz), round(hop_s * rate_hz)
        self._recent = RecentSamples()
        self._next = 0
        self._covered = 0

    def feed(self, block: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Take the next samples; return the windows (start, samples) that are now complete."""
        self._recent.add(block)
        found = []
        while self._next + self._size <= self._recent.end:
            self._covered = self._next + self._size
            found.append((self._next, self._recent.between(self._next, self._covered)))
            # Keep this window: the last one may begin before the next one would.
            self._recent.forget(self._next)
            self._next += self._hop
        return found

    def finish(self) -> list[tuple[int, np.ndarray]]:
        """End the recording: a window of the samples that no window has covered, if any."""
        end = self._recent.end
        if self._covered == end:
            return []
        start = max(self._recent.first, end - self._size)  # nothing before lost samples
        return [(start, self._recent.between(start, end))]

    def jump(self, count: int) -> None:
        """``count`` samples were lost; windows begin anew after them."""
        self._next = self._covered = self._recent.end + count
        self._recent = RecentSamples(self._next)


class RecentSamples:
    """The last samples of a recording, addressed by their place in the whole recording."""

    def __init__(self, first: int = 0) -> None:
        self.first = first  # place of the first sample that is kept
        self._blocks: list[np.ndarray] = []
        self._count = 0

    @property
    def end(self) -> int:
        """Number of samples of the recording so far."""
        return self.first + self._count

    def add(self, block: np.ndarray) -> None:
        """Append the next samples."""
        self._blocks.append(block)
        self._count += len(block)

    def between(self, start: int, stop: int) -> np.ndarray:
        """The samples from one place up to another."""
        # Joined only when needed: joining at every add would copy everything again and again.
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0][start - self.first : stop - self.first]

    def forget(self, before: int) -> None:
        """Drop the samples before a place."""
        if self._count and before > self.first:
            self._blocks = [self.between(before, self.end)]
            self._count = len(self._blocks[0])
            self.first = before


class Stream:
    """Scores a recording that comes in chunks, each window as soon as it is complete.

    Made by ``EmotionRecognizer.stream``. Memory holds two windows and one chunk. Windows are
    cut at the recording's own rate and resampled one by one, so a window's prediction is that
    of the same samples given as a clip.
    """

    def __init__(
        self, predict: Callable[[np.ndarray, int], dict], windows: Windows, rate_hz: int
    ):
        self._predict = predict
        self._windows = windows
        self._rate_hz = rate_hz
        self.finished = False

    def feed(self, chunk: np.ndarray, latest: bool = False) -> Predictions:
        """Take the next samples, (S,) or (S, H).

        Returns for every window that is now complete, or with ``latest`` only for the last of
        them, a dict of ``start_s``, ``stop_s`` and the keys of ``EmotionRecognizer.predict``,
        or ``error`` if it cannot be scored.
        """
        if self.finished:
            raise SERError("The stream is finished; start another for the next recording.")
        windows = self._windows.feed(np.asarray(chunk))
        return Predictions(self._scored(*window) for window in windows[-1 if latest else 0 :])

    def jump(self, count: int) -> None:
        """Leave out samples that were lost: windows begin anew after them, at their time."""
        self._windows.jump(count)

    def finish(self) -> Predictions:
        """End the recording: the prediction for its last window, or nothing if it has one."""
        self.finished = True
        return Predictions(self._scored(*window) for window in self._windows.finish())

    def _scored(self, start: int, samples: np.ndarray) -> Prediction:
        stop = start + len(samples)
        times = {"start_s": start / self._rate_hz, "stop_s": stop / self._rate_hz}
        try:
            return Prediction({**times, **self._predict(samples, self._rate_hz)})
        except SERError as error:
            return Prediction(**times, error=str(error))

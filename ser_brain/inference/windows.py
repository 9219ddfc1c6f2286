"""Windows of a recording that comes block by block, in memory that does not grow with it.

Shapes: S samples, H channels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ser_brain.core.errors import SERError


class Held:
    """The last samples of a recording, found by their place in the whole.

    Attributes
    ----------
    first : int
        Place of the first sample that is held.
    """

    def __init__(self) -> None:
        self.first = 0
        self._blocks: list[np.ndarray] = []
        self._count = 0

    @property
    def end(self) -> int:
        """Samples of the recording so far."""
        return self.first + self._count

    def add(self, block: np.ndarray) -> None:
        """Hold the next samples, (S,) or (S, H)."""
        self._blocks.append(block)
        self._count += len(block)

    def between(self, start: int, stop: int) -> np.ndarray:
        """Samples from one place up to another."""
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0][start - self.first : stop - self.first]

    def forget(self, before: int) -> None:
        """Let go of what lies before a place."""
        if self._count and before > self.first:
            self._blocks = [self.between(before, self.end)]
            self._count = len(self._blocks[0])
            self.first = before


class Windows:
    """Windows of one length, one every hop, that leave no sample out.

    The last window ends where the recording ends, and so may overlap the one before it by
    more than the others do; a recording shorter than a window is one window.

    Parameters
    ----------
    size, hop : int
        Samples; the hop is at most the size.

    Examples
    --------
    >>> windows = Windows(size=4, hop=2)
    >>> found = windows.feed(np.arange(5)) + windows.feed(np.arange(5, 9)) + windows.finish()
    >>> [(start, samples.tolist()) for start, samples in found]
    [(0, [0, 1, 2, 3]), (2, [2, 3, 4, 5]), (4, [4, 5, 6, 7]), (5, [5, 6, 7, 8])]
    """

    def __init__(self, size: int, hop: int):
        self.size = size
        self.hop = hop
        self._held = Held()
        self._next = 0
        self._covered = 0

    def feed(self, block: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Take the next samples, (S,) or (S, H).

        Returns
        -------
        list of (int, numpy.ndarray)
            The windows that are now complete: place of the first sample, and the samples.
        """
        self._held.add(block)
        found = []
        while self._next + self.size <= self._held.end:
            self._covered = self._next + self.size
            found.append((self._next, self._held.between(self._next, self._covered)))
            # Not up to the next window: the last one may begin before it would.
            self._held.forget(self._next)
            self._next += self.hop
        return found

    def finish(self) -> list[tuple[int, np.ndarray]]:
        """End the recording: the window of what no window covered, if there is any."""
        end = self._held.end
        if self._covered == end:
            return []
        start = max(0, end - self.size)
        return [(start, self._held.between(start, end))]


class Stream:
    """Windows of a recording, each predicted as soon as it is complete.

    Made by ``EmotionRecognizer.stream``. Memory holds two windows and one chunk. The windows
    are those of ``ser predict --window --hop``, cut at the recording's own rate; each is
    resampled by itself, so its prediction is that of the same samples given as a clip.

    Parameters
    ----------
    predict : callable
        (samples, rate) -> dict.
    rate_hz : int
        Of the chunks.
    window_s, hop_s : float
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray, int], dict],
        rate_hz: int,
        window_s: float,
        hop_s: float,
    ):
        self.predict = predict
        self.rate_hz = rate_hz
        size, hop = round(window_s * rate_hz), round(hop_s * rate_hz)
        if not 0 < hop <= size:
            raise SERError(
                f"Bad windows of {window_s} s every {hop_s} s; expected a hop above 0 and, so "
                "that nothing is left out, at most the window."
            )
        self.finished = False
        self._windows = Windows(size, hop)

    def feed(self, chunk: np.ndarray) -> list[dict]:
        """Take the next samples, (S,) or (S, channels).

        Returns
        -------
        list of dict
            For every window that is now complete ``start_s``, ``stop_s`` and what
            ``EmotionRecognizer.predict`` gives; ``error`` where it cannot be scored.

        Raises
        ------
        SERError
            If the stream is finished.
        """
        if self.finished:
            raise SERError("The stream is finished; start another for the next recording.")
        return [self._scored(*window) for window in self._windows.feed(np.asarray(chunk))]

    def finish(self) -> list[dict]:
        """End the recording: the window of what no window covered, if there is any.

        Returns
        -------
        list of dict
            One window, which ends where the recording ends, or none.
        """
        self.finished = True
        return [self._scored(*window) for window in self._windows.finish()]

    def _scored(self, start: int, samples: np.ndarray) -> dict:
        stop = start + len(samples)
        times = {"start_s": start / self.rate_hz, "stop_s": stop / self.rate_hz}
        try:
            return {**times, **self.predict(samples, self.rate_hz)}
        except SERError as error:
            return {**times, "error": str(error)}

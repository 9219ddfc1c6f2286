"""Windows of a recording that comes block by block, in memory that does not grow with it.

Shapes: S samples, H channels.
"""

from __future__ import annotations

import numpy as np


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

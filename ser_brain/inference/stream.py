"""A recording that comes in chunks, scored window by window.

Shapes: S samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ser_brain.errors import SERError


class Stream:
    """Windows of a recording, each predicted as soon as it is complete.

    Made by ``EmotionRecognizer.stream``. Memory holds one window and one chunk. Windows are cut
    at the recording's own rate and each is resampled by itself, so a window's prediction is
    that of the same samples given as a clip.

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
        self.window = round(window_s * rate_hz)
        self.hop = round(hop_s * rate_hz)
        if not 0 < self.hop <= self.window:
            raise SERError(
                f"Bad windows of {window_s} s every {hop_s} s; expected a hop above 0 and, so "
                "that nothing is left out, at most the window."
            )
        self.chunks: list[np.ndarray] = []
        self.first = 0  # sample of the recording at which the held samples begin
        self.scored = 0  # samples of the recording that some window covered
        self.finished = False

    @property
    def fed(self) -> int:
        """Samples of the recording so far."""
        return self.first + sum(len(chunk) for chunk in self.chunks)

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
        self.chunks.append(np.asarray(chunk))
        found = []
        while self.fed - self.first >= self.window:
            found.append(self._window(self._held()[: self.window]))
            self.chunks = [self._held()[self.hop :]]
            self.first += self.hop
        return found

    def finish(self) -> list[dict]:
        """End the recording: the samples behind the last window, if there are any.

        Returns
        -------
        list of dict
            One window, shorter than the others, or none.
        """
        rest = self.fed > self.scored
        self.finished = True
        return [self._window(self._held())] if rest else []

    def _held(self) -> np.ndarray:
        if len(self.chunks) > 1:
            self.chunks = [np.concatenate(self.chunks)]
        return self.chunks[0]

    def _window(self, samples: np.ndarray) -> dict:
        stop = self.first + len(samples)
        self.scored = stop
        times = {"start_s": self.first / self.rate_hz, "stop_s": stop / self.rate_hz}
        try:
            return {**times, **self.predict(samples, self.rate_hz)}
        except SERError as error:
            return {**times, "error": str(error)}

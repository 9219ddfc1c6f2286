"""A recording that comes in chunks, scored window by window.

Shapes: S samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ser_brain.errors import SERError
from ser_brain.inference.windows import Windows


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

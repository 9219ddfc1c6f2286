"""How far a model is with a recording, told batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np

from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.scores import Scores


class Watched:
    """A recogniser that tells how far it is before each batch.

    Parameters
    ----------
    recognizer : EmotionRecognizer
        Whose attributes it has.
    to_score_s : float
        Seconds of audio that it is going to be given, overlap counted twice.
    progress : callable
        Is told a share from 0 to 1. An error that it raises ends the scoring.
    """

    def __init__(
        self,
        recognizer: EmotionRecognizer,
        to_score_s: float,
        progress: Callable[[float], None],
    ):
        self._recognizer = recognizer
        self._progress = progress
        self._total = to_score_s * recognizer.sample_rate_hz
        self._scored = 0
        self._lock = Lock()  # clips are scored on several cores at once

    def __getattr__(self, name: str) -> object:
        return getattr(self._recognizer, name)

    def score(self, waveforms: Sequence[np.ndarray]) -> list[Scores]:
        """As :meth:`EmotionRecognizer.score`."""
        with self._lock:
            self._progress(min(1.0, self._scored / self._total))
            self._scored += sum(map(len, waveforms))
        return self._recognizer.score(waveforms)

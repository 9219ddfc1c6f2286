"""What a model says of one clip.

Shapes: C emotions, D embedding size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scores:
    """What a model says of one clip.

    Attributes
    ----------
    log_probabilities : numpy.ndarray, shape (C,), or None
        Calibrated, in the order of ``EmotionRecognizer.emotions``.
    valence_arousal : numpy.ndarray, shape (2,), or None
        In the units of ``EmotionRecognizer.va_range``, not clipped to it.
    embedding : numpy.ndarray, shape (D,)
    """

    log_probabilities: np.ndarray | None
    valence_arousal: np.ndarray | None
    embedding: np.ndarray

    def named(self, emotions: Sequence[str], va_range: Sequence[float] | None) -> dict:
        """The scores by name, in JSON types; None where the model says nothing.

        Examples
        --------
        >>> scores = Scores(np.log([0.25, 0.75]), None, np.zeros(2))
        >>> scores.named(["anger", "neutral"], None)["emotion"]
        'neutral'
        """
        row = dict.fromkeys(("emotion", "probabilities", "valence", "arousal", "va_range"))
        if self.log_probabilities is not None:
            probabilities = np.exp(self.log_probabilities.astype(np.float64))
            row["probabilities"] = dict(zip(emotions, probabilities.tolist(), strict=True))
            row["emotion"] = emotions[int(probabilities.argmax())]
        if self.valence_arousal is not None:
            row["valence"], row["arousal"] = self.valence_arousal.tolist()
            row["va_range"] = list(va_range)
        return row

"""Where a point of valence and arousal lies among Russell's words.

Shapes: N points, 2 = valence and arousal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ser_brain.mood.words import WORD_ANGLE_DEG

# Of the circle's radius; nearer to the middle the direction says little.
MIDDLE = 0.1


def on_plane(values_N2: np.ndarray, va_range: Sequence[float]) -> np.ndarray:
    """Points in a model's units as points of the plane on which the circle has radius 1."""
    low, high = va_range
    return (values_N2 - low) / (high - low) * 2 - 1


def nearest_words(valence: float, arousal: float, count: int = 3) -> list[str]:
    """The words whose direction is nearest, nearest first; none in the middle of the circle.

    Examples
    --------
    >>> nearest_words(-0.1, 0.8), nearest_words(0.5, -0.5), nearest_words(0.01, 0.02)
    (['alarmed', 'angry', 'tense'], ['calm', 'relaxed', 'satisfied'], [])
    """
    if math.hypot(valence, arousal) < MIDDLE:
        return []
    angle_deg = math.degrees(math.atan2(arousal, valence))

    def apart(word: str) -> float:
        turn = abs(angle_deg - WORD_ANGLE_DEG[word]) % 360
        return min(turn, 360 - turn)

    return sorted(WORD_ANGLE_DEG, key=apart)[:count]

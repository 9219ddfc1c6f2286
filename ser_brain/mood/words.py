"""Where Russell's 28 words for affect stand on the circle.

They name the directions of a picture; no number of the analysis is taken from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression

# Degrees anticlockwise from pleasure. Russell (1980), J. Pers. Soc. Psychol. 39(6), figure 2:
# direct circular scaling of 28 words. Those that labels.RUSSELL_ANGLE_DEG holds are the same
# there; the others were not checked against the paper and may be off by a few degrees.
WORD_ANGLE_DEG = {
    "happy": 7.8,
    "delighted": 24.9,
    "excited": 48.6,
    "astonished": 69.8,
    "aroused": 73.8,
    "tense": 92.8,
    "alarmed": 96.5,
    "angry": 99.0,
    "afraid": 116.0,
    "annoyed": 123.0,
    "distressed": 138.0,
    "frustrated": 141.0,
    "miserable": 188.7,
    "sad": 207.5,
    "gloomy": 209.0,
    "depressed": 210.0,
    "bored": 242.0,
    "droopy": 256.0,
    "tired": 267.7,
    "sleepy": 271.9,
    "calm": 316.2,
    "relaxed": 318.0,
    "satisfied": 319.0,
    "at ease": 321.0,
    "content": 323.0,
    "serene": 328.6,
    "glad": 349.0,
    "pleased": 353.2,
}


def spread(heights: Sequence[float], apart: float) -> np.ndarray:
    """Move the heights of labels as little as possible until none covers another.

    Parameters
    ----------
    heights : sequence of float
        Rising.
    apart : float
        How far neighbours must lie from each other.

    Returns
    -------
    ndarray
        Least squares from ``heights`` under that constraint: an isotonic regression of the
        heights less what the labels below take up.

    Examples
    --------
    >>> spread([0.0, 0.0, 5.0], apart=1.0).tolist()
    [-0.5, 0.5, 5.0]
    """
    taken = apart * np.arange(len(heights))
    return isotonic_regression(np.asarray(heights) - taken).x + taken

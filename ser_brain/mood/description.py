"""What is said of a stretch of speech: centroid, emotional range, share of neutral.

Axes: N pieces of speech, 2 = valence and arousal on [-1, 1], K points of a curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from ser_brain.mood.timeline import Timeline

RANGE_SHARE = 0.8
# Of fewer pieces than this, the area of an ellipse is known to no better than a third
# (coefficient of variation 1 / sqrt(n - 2)), and a day's mean says little of the day.
FEWEST = 10.0


@dataclass(frozen=True)
class Affect:
    """A stretch of speech in numbers, weighted by speaking time.

    Attributes
    ----------
    pieces : int
    effective : float
        (sum w)^2 / sum w^2: as many pieces of equal length would say as much (Kish 1965,
        Survey Sampling, section 11.7).
    seconds : float
        Speaking time.
    valence, arousal : float or None
        The centroid; None where nothing was said.
    covariance : list or None
        2 x 2; None with fewer than FEWEST effective pieces.
    range : float or None
        Area of the 80 % ellipse; see :func:`ellipse_area`.
    neutral : float or None
        Share of speaking time whose most probable class is neutral.
    """

    pieces: int
    effective: float
    seconds: float
    valence: float | None
    arousal: float | None
    covariance: list[list[float]] | None
    range: float | None
    neutral: float | None


NOTHING_SAID = Affect(0, 0.0, 0.0, None, None, None, None, None)


def describe(timeline: Timeline, chosen: np.ndarray | slice = slice(None)) -> Affect:
    """Sum up some pieces of speech.

    Parameters
    ----------
    timeline : Timeline
    chosen : ndarray or slice
        Indices or mask; all by default.
    """
    seconds_N, va_N2 = timeline.seconds_N[chosen], timeline.va_N2[chosen]
    if not len(seconds_N):
        return NOTHING_SAID
    effective = float(seconds_N.sum() ** 2 / (seconds_N**2).sum())
    valence, arousal = np.average(va_N2, axis=0, weights=seconds_N)
    covariance, area = None, None
    if effective >= FEWEST:
        covariance_22 = np.cov(va_N2.T, aweights=seconds_N)
        covariance = covariance_22.tolist()
        area = ellipse_area(covariance_22, effective)
    neutral = None
    if timeline.neutral_N is not None:
        neutral = float(np.average(timeline.neutral_N[chosen], weights=seconds_N))
    return Affect(
        pieces=len(seconds_N),
        effective=effective,
        seconds=float(seconds_N.sum()),
        valence=float(valence),
        arousal=float(arousal),
        covariance=covariance,
        range=area,
        neutral=neutral,
    )


def describe_each(timeline: Timeline, index_N: np.ndarray, count: int) -> list[Affect]:
    """Sum up every period.

    Parameters
    ----------
    timeline : Timeline
    index_N : ndarray of int
        Period of each piece.
    count : int
        How many periods there are.
    """
    order = np.argsort(index_N, kind="stable")
    ends = np.searchsorted(index_N[order], np.arange(count + 1))
    return [describe(timeline, order[ends[p] : ends[p + 1]]) for p in range(count)]


def ellipse_area(covariance_22: np.ndarray, effective: float) -> float:
    """Area of the ellipse that holds 80 % of a normal distribution.

    ``pi q sqrt(det S)`` with q the 80 % quantile of chi-squared with 2 degrees of freedom
    (Anderson 2003, An Introduction to Multivariate Statistical Analysis, section 2.3). The
    root of the determinant of a sample covariance is too small by (n - 2) / (n - 1) on
    average (ibid., theorem 7.5.3), which would make days with little speech look narrow; it
    is divided out.

    Parameters
    ----------
    covariance_22 : ndarray
        Unbiased.
    effective : float
        n.

    Examples
    --------
    >>> round(ellipse_area(np.eye(2), np.inf), 3)
    10.112
    """
    determinant = max(0.0, float(np.linalg.det(covariance_22)))
    return math.pi * _quantile(effective) * math.sqrt(determinant)


def ellipse(affect: Affect, points: int = 100) -> np.ndarray:
    """The ellipse of that area, as a closed curve.

    Returns
    -------
    ndarray
        Shape (K, 2).
    """
    variances_2, axes_22 = np.linalg.eigh(affect.covariance)
    radii_2 = np.sqrt(np.maximum(variances_2, 0) * _quantile(affect.effective))
    angles_K = np.linspace(0, 2 * np.pi, points)
    circle_K2 = np.stack([np.cos(angles_K), np.sin(angles_K)], axis=1)
    return (circle_K2 * radii_2) @ axes_22.T + [affect.valence, affect.arousal]


def _quantile(effective: float) -> float:
    """Squared radius of the ellipse, with the correction of :func:`ellipse_area`."""
    inflation = 1.0 if math.isinf(effective) else (effective - 1) / (effective - 2)
    return float(chi2.ppf(RANGE_SHARE, 2)) * inflation

"""The permutation test behind a change: units of two periods dealt out anew.

If both periods were alike, any unit (a day, or a block of days) might as well have fallen into
the other one; p is the share of ways to deal them out whose difference is at least as large as
the observed one (Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses,
chapter 3). That holds where units are exchangeable.

Axes: U units, M measures, K outcomes, S splits.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import permutation_test

MEASURES = ("valence", "arousal", "range", "neutral")
OUTCOMES = ("centroid", "range", "neutral")
# Up to here every way to deal the units out is tried; eight days against eight make 12,870.
EXACT_UP_TO = 20_000
DRAWN = 9_999


def outcomes_of(values_UM: np.ndarray) -> np.ndarray:
    """The tested outcomes of each unit, from its measures.

    A centroid is the complex number valence + i arousal, so that the size of a difference is
    the distance on the plane. Any axes may stand between the first and the last.

    Examples
    --------
    >>> outcomes_of(np.array([[0.3, 0.4, 1.0, 0.5]])).tolist()
    [[(0.3+0.4j), (1+0j), (0.5+0j)]]
    """
    centroid_U = values_UM[..., 0] + 1j * values_UM[..., 1]
    return np.concatenate([centroid_U[..., None], values_UM[..., 2:]], axis=-1)


def permute(
    a_UK: np.ndarray, b_UK: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Deal the units of two periods out anew.

    Parameters
    ----------
    a_UK, b_UK : ndarray of complex
        Any axes after the first are tested each by itself.
    rng : numpy.random.Generator
        Draws the splits where there are more than EXACT_UP_TO; then
        p = (1 + as extreme) / (1 + drawn) (Phipson and Smyth 2010, equation 2).

    Returns
    -------
    p_K : ndarray
    differences_SK : ndarray
        Size of the difference of means under every split.

    Examples
    --------
    >>> p_K, differences_SK = permute(np.zeros((3, 1)), np.ones((3, 1)), None)
    >>> p_K.tolist(), len(differences_SK)
    ([0.1], 20)
    """
    found = permutation_test(
        (a_UK, b_UK),
        lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis)),
        vectorized=True,
        n_resamples=EXACT_UP_TO if splits_of(len(a_UK), len(b_UK))[1] else DRAWN,
        batch=1_000,
        alternative="greater",
        axis=0,
        random_state=rng,
    )
    return np.real(found.pvalue), found.null_distribution  # scipy types p like the data.


def splits_of(units_a: int, units_b: int) -> tuple[int, bool, float]:
    """How many splits are tried, whether these are all, and the smallest p they can give.

    With as many units in either period a split and its mirror image differ by the same.

    Examples
    --------
    >>> splits_of(4, 4), splits_of(30, 30)
    ((70, True, 0.02857142857142857), (9999, False, 0.0001))
    """
    every = math.comb(units_a + units_b, units_a)
    if every > EXACT_UP_TO:
        return DRAWN, False, 1 / (1 + DRAWN)
    return every, True, (2 if units_a == units_b else 1) / every

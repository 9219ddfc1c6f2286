"""Where on the valence-arousal plane the speaking time lies.

Axes: N pieces of speech, 2 = valence and arousal on [-1, 1], G cells of the grid a side (rows
arousal, columns valence).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

# One bandwidth for every picture, so that pictures can be compared: about Scott's rule for 200
# pieces that scatter by 0.35.
BANDWIDTH = 0.15
STEP = 0.04
# Points overshoot the scale by 0.2 at most; four bandwidths further nothing is left.
REACH = 1.8
EDGES = np.linspace(-REACH, REACH, round(2 * REACH / STEP) + 1)
CENTRES = (EDGES[:-1] + EDGES[1:]) / 2


def density(va_N2: np.ndarray, seconds_N: np.ndarray) -> np.ndarray:
    """Kernel density of speaking time: Gaussian kernel, standard deviation BANDWIDTH.

    Points are first counted in cells of STEP and then blurred, which makes 100,000 points as
    cheap as 100 and moves each by at most half a cell (Silverman 1982, AS 176).

    Parameters
    ----------
    va_N2 : ndarray
    seconds_N : ndarray
        Weights.

    Returns
    -------
    ndarray
        Shape (G, G), per unit of area; sums to 1 over the plane.

    Examples
    --------
    >>> density_GG = density(np.zeros((1, 2)), np.ones(1))
    >>> round(float(density_GG.sum() * STEP**2), 6)
    1.0
    """
    valence_N, arousal_N = va_N2.T
    seconds_GG, _, _ = np.histogram2d(arousal_N, valence_N, [EDGES, EDGES], weights=seconds_N)
    blurred_GG = gaussian_filter(seconds_GG, BANDWIDTH / STEP, mode="constant")
    return blurred_GG / (blurred_GG.sum() * STEP**2)


def share_inside(density_GG: np.ndarray) -> np.ndarray:
    """Share of speaking time in all cells at least as dense as each cell.

    The cells below a value s are the highest density region of share s: the smallest area
    that holds it (Hyndman 1996, The American Statistician 50(2)).

    Examples
    --------
    >>> share_inside(np.array([[4.0, 1.0], [3.0, 2.0]])).tolist()
    [[0.4, 1.0], [0.7, 0.9]]
    """
    flat = density_GG.ravel()
    order = np.argsort(-flat, kind="stable")
    share = np.empty_like(flat)
    share[order] = np.cumsum(flat[order]) / flat.sum()
    return share.reshape(density_GG.shape)

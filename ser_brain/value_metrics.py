"""Metrics of predicted valence or arousal. Error = predicted - true: above 0 is too high.

Axes: N utterances, K summed statistics, X any leading axes, such as resamples. Moments
divide by N (Lin 1989), not N - 1.
"""

from __future__ import annotations

import numpy as np

# A variance this small beside the mean square is rounding: the values are constant.
CONSTANT = 1e-12


def value_statistics(true_N: np.ndarray, predicted_N: np.ndarray) -> np.ndarray:
    """Per utterance: 1, t, p, tt, pp, tp (t and p about their means), error, its square, size.

    Returns
    -------
    ndarray
        Shape (N, 9), to be summed over N.
    """
    error_N = predicted_N - true_N
    t_N = true_N - true_N.mean() if len(true_N) else true_N
    p_N = predicted_N - predicted_N.mean() if len(predicted_N) else predicted_N
    one_N = np.ones(len(true_N))
    columns = [one_N, t_N, p_N, t_N**2, p_N**2, t_N * p_N, error_N, error_N**2, np.abs(error_N)]
    return np.stack(columns, axis=1)


def _means(sums_XK: np.ndarray) -> np.ndarray:
    """Means of the statistics, the statistics' axis first."""
    with np.errstate(divide="ignore", invalid="ignore"):
        means_XK = np.where(sums_XK[..., :1] > 0, sums_XK / sums_XK[..., :1], np.nan)
    return np.moveaxis(means_XK, -1, 0)


def _spread(mean: np.ndarray, mean_square: np.ndarray) -> np.ndarray:
    variance = mean_square - mean**2
    return np.where(variance <= CONSTANT * mean_square, 0.0, variance)


def ccc(sums_XK: np.ndarray) -> np.ndarray:
    """Concordance correlation coefficient (Lin 1989, Biometrics 45, equation 2).

    0 where truth or prediction is constant, even where both are the same constant: nothing
    varies, so nothing can agree.
    """
    _, t, p, tt, pp, tp, error, _, _ = _means(sums_XK)
    below = _spread(t, tt) + _spread(p, pp) + error**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below == 0, 0.0, 2 * _covariance(t, p, tt, pp, tp) / below)


def _covariance(t, p, tt, pp, tp) -> np.ndarray:
    constant = (_spread(t, tt) == 0) | (_spread(p, pp) == 0)
    return np.where(constant, 0.0, tp - t * p)


def pearson(sums_XK: np.ndarray) -> np.ndarray:
    """Pearson's correlation; undefined where truth or prediction is constant."""
    _, t, p, tt, pp, tp, _, _, _ = _means(sums_XK)
    product = _spread(t, tt) * _spread(p, pp)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = _covariance(t, p, tt, pp, tp) / np.sqrt(product)
    return np.where(product > 0, np.clip(r, -1.0, 1.0), np.nan)


def mse(sums_XK: np.ndarray) -> np.ndarray:
    """Mean squared error."""
    return _means(sums_XK)[7]


def rmse(sums_XK: np.ndarray) -> np.ndarray:
    """Root of the mean squared error."""
    return np.sqrt(_means(sums_XK)[7])


def mae(sums_XK: np.ndarray) -> np.ndarray:
    """Mean absolute error."""
    return _means(sums_XK)[8]


def mean_error(sums_XK: np.ndarray) -> np.ndarray:
    """Mean error (bias): above 0, the model rates too high."""
    return _means(sums_XK)[6]


def error_std(sums_XK: np.ndarray) -> np.ndarray:
    """Standard deviation of the error."""
    means = _means(sums_XK)
    return np.sqrt(_spread(means[6], means[7]))


def max_abs_error(true_N: np.ndarray, predicted_N: np.ndarray) -> float:
    """Largest absolute error. The bootstrap fails for extremes, so it has no interval."""
    return float(np.abs(predicted_N - true_N).max()) if len(true_N) else float("nan")

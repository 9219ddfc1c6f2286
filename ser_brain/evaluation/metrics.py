"""The metrics: each is a function, and an entry in one of the tables at the end.

A *resampled* metric is a function of sums over utterances, so that the bootstrap can weight
speakers; it takes arrays with any leading axes X. The others take the utterances themselves and
have no interval. Metrics of probabilities are in :mod:`ser_brain.evaluation.calibration`.

Axes: N utterances, C classes, K summed statistics, X any leading axes, such as resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser_brain.evaluation.calibration import brier, ece, nll

# A variance this small relative to the mean square is rounding: the values are constant.
CONSTANT = 1e-12


def confusion_matrix(true_N: np.ndarray, predicted_N: np.ndarray, classes: int) -> np.ndarray:
    """Count utterances by true (rows) and predicted (columns) class.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    cells = np.asarray(true_N) * classes + predicted_N
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def confusion_cells(true_N: np.ndarray, predicted_N: np.ndarray, classes: int) -> np.ndarray:
    """Make a row per utterance, (N, C * C), with a one in its cell of the confusion matrix."""
    cells_NK = np.zeros((len(true_N), classes * classes))
    cells_NK[np.arange(len(true_N)), np.asarray(true_N) * classes + predicted_N] = 1.0
    return cells_NK


def accuracy(confusion_XCC: np.ndarray) -> np.ndarray:
    """Weighted accuracy (WA): the proportion of utterances classified correctly."""
    hits_X = np.trace(confusion_XCC, axis1=-2, axis2=-1)
    return _ratio(hits_X, confusion_XCC.sum((-2, -1)))


def uar(confusion_XCC: np.ndarray) -> np.ndarray:
    """Unweighted average recall (UAR, 'UA'): mean recall of the classes that occur.

    A class without a true utterance has no recall and does not count, as in scikit-learn's
    ``balanced_accuracy_score``. Chance is one over the number of classes that occur.
    """
    true_XC = confusion_XCC.sum(-1)
    recall_XC = _ratio(np.diagonal(confusion_XCC, axis1=-2, axis2=-1), true_XC)
    return _mean_over(recall_XC, true_XC > 0)


def macro_f1(confusion_XCC: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes that occur or are predicted; 0 for one that is never predicted."""
    counted_XC = (confusion_XCC.sum(-1) + confusion_XCC.sum(-2)) > 0
    return _mean_over(_f1(confusion_XCC), counted_XC)


def weighted_f1(confusion_XCC: np.ndarray) -> np.ndarray:
    """Mean F1, each class weighted by how often it occurs."""
    true_XC = confusion_XCC.sum(-1)
    return _ratio((np.nan_to_num(_f1(confusion_XCC)) * true_XC).sum(-1), true_XC.sum(-1))


def per_class(confusion_CC: np.ndarray, emotions: Sequence[str]) -> list[dict]:
    """Precision, recall, F1, counts and over-prediction of every class.

    Returns
    -------
    list of dict
        ``over_prediction`` is predicted / true: 2 means that the class is predicted twice as
        often as it occurs. NaN where a denominator is 0: precision of a class that is never
        predicted, recall and over-prediction of one that never occurs.
    """
    hits_C, true_C = np.diagonal(confusion_CC), confusion_CC.sum(1)
    predicted_C = confusion_CC.sum(0)
    columns = {
        "precision": _ratio(hits_C, predicted_C),
        "recall": _ratio(hits_C, true_C),
        "f1": _f1(confusion_CC),
        "over_prediction": _ratio(predicted_C, true_C),
    }
    return [
        {
            "emotion": emotion,
            "support": int(true_C[i]),
            "predicted": int(predicted_C[i]),
            **{name: float(values[i]) for name, values in columns.items()},
        }
        for i, emotion in enumerate(emotions)
    ]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _mean_over(values_XC: np.ndarray, counted_XC: np.ndarray) -> np.ndarray:
    return _ratio(np.where(counted_XC, values_XC, 0.0).sum(-1), counted_XC.sum(-1))


def _f1(confusion_XCC: np.ndarray) -> np.ndarray:
    hits_XC = np.diagonal(confusion_XCC, axis1=-2, axis2=-1)
    return _ratio(2 * hits_XC, confusion_XCC.sum(-1) + confusion_XCC.sum(-2))


def value_statistics(true_N: np.ndarray, predicted_N: np.ndarray) -> np.ndarray:
    """Compute per utterance 1, t, p, tt, pp, tp, error, squared error and absolute error.

    t and p are centred on their means, so that the variances do not drown in rounding.

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


def ccc(sums_XK: np.ndarray) -> np.ndarray:
    """Concordance correlation coefficient (Lin 1989, Biometrics 45, equation 2).

    0 where truth or prediction is constant, even if both are the same constant: nothing
    varies, so nothing can agree.
    """
    _, t, p, tt, pp, tp, error, _, _ = _means(sums_XK)
    below = _variance(t, tt) + _variance(p, pp) + error**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below == 0, 0.0, 2 * _covariance(t, p, tt, pp, tp) / below)


def pearson(sums_XK: np.ndarray) -> np.ndarray:
    """Pearson's correlation; undefined where truth or prediction is constant."""
    _, t, p, tt, pp, tp, _, _, _ = _means(sums_XK)
    product = _variance(t, tt) * _variance(p, pp)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = _covariance(t, p, tt, pp, tp) / np.sqrt(product)
    return np.where(product > 0, np.clip(r, -1.0, 1.0), np.nan)


def mse(sums_XK: np.ndarray) -> np.ndarray:
    """Mean squared error."""
    return _means(sums_XK)[7]


def rmse(sums_XK: np.ndarray) -> np.ndarray:
    """Root mean squared error."""
    return np.sqrt(_means(sums_XK)[7])


def mae(sums_XK: np.ndarray) -> np.ndarray:
    """Mean absolute error."""
    return _means(sums_XK)[8]


def mean_error(sums_XK: np.ndarray) -> np.ndarray:
    """Mean error (bias): above 0, predictions are too high."""
    return _means(sums_XK)[6]


def error_std(sums_XK: np.ndarray) -> np.ndarray:
    """Standard deviation of the error."""
    means = _means(sums_XK)
    return np.sqrt(_variance(means[6], means[7]))


def max_abs_error(true_N: np.ndarray, predicted_N: np.ndarray) -> float:
    """Largest absolute error. The bootstrap fails for extremes, so it has no interval."""
    return float(np.abs(predicted_N - true_N).max()) if len(true_N) else float("nan")


def _means(sums_XK: np.ndarray) -> np.ndarray:
    """Means of the statistics, the axis K first."""
    return np.moveaxis(_ratio(sums_XK, sums_XK[..., :1]), -1, 0)


def _variance(mean: np.ndarray, mean_square: np.ndarray) -> np.ndarray:
    variance = mean_square - mean**2
    return np.where(variance <= CONSTANT * mean_square, 0.0, variance)


def _covariance(t, p, tt, pp, tp) -> np.ndarray:
    constant = (_variance(t, tt) == 0) | (_variance(p, pp) == 0)
    return np.where(constant, 0.0, tp - t * p)


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    title : str
        Column heading.
    function : callable
        Of sums over utterances (``resampled``), or else of truth and prediction.
    better : str
        ``higher``, ``lower`` or ``zero``.
    resampled : bool
        Whether it has an interval.
    unit_power : int
        0 for a pure number, 1 in the unit of the ratings, 2 in its square.
    """

    title: str
    function: Callable[..., np.ndarray | float]
    better: str
    resampled: bool = True
    unit_power: int = 0


LABEL_METRICS: Mapping[str, Metric] = {
    "wa": Metric("WA", accuracy, "higher"),
    "uar": Metric("UAR", uar, "higher"),
    "macro_f1": Metric("Macro F1", macro_f1, "higher"),
    "weighted_f1": Metric("Weighted F1", weighted_f1, "higher"),
}
SCORE_METRICS: Mapping[str, Metric] = {
    "nll": Metric("NLL (nats)", nll, "lower"),
    "brier": Metric("Brier", brier, "lower"),
    "ece": Metric("ECE", ece, "lower", resampled=False),
}
VALUE_METRICS: Mapping[str, Metric] = {
    "ccc": Metric("CCC", ccc, "higher"),
    "pearson": Metric("Pearson r", pearson, "higher"),
    "mse": Metric("MSE", mse, "lower", unit_power=2),
    "rmse": Metric("RMSE", rmse, "lower", unit_power=1),
    "mae": Metric("MAE", mae, "lower", unit_power=1),
    "max_abs_error": Metric(
        "Max. abs. error", max_abs_error, "lower", resampled=False, unit_power=1
    ),
    "mean_error": Metric("Mean error", mean_error, "zero", unit_power=1),
    "error_std": Metric("Std. of error", error_std, "lower", unit_power=1),
}


def number(value: float) -> float | None:
    """A plain float, or None (JSON's null) where it is NaN or infinite."""
    value = float(value)
    return value if math.isfinite(value) else None

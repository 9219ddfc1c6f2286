"""The metrics: each is one function and one entry in a table below.

A *resampled* metric is a function of sums over utterances, so that the bootstrap can weigh
speakers; it takes arrays with any leading axes. The others take the utterances themselves and
have no interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser_brain.evaluation import calibration as scores


def confusion_cells(true_N: np.ndarray, predicted_N: np.ndarray, classes: int) -> np.ndarray:
    """One row per utterance with a one in its cell of the flattened confusion matrix.

    Returns
    -------
    ndarray
        Shape (N, C * C); its sum over N, reshaped to (C, C), is the confusion matrix.
    """
    cells_NK = np.zeros((len(true_N), classes * classes))
    cells_NK[np.arange(len(true_N)), np.asarray(true_N) * classes + predicted_N] = 1.0
    return cells_NK


def confusion_matrix(true_N: np.ndarray, predicted_N: np.ndarray, classes: int) -> np.ndarray:
    """Count utterances by true (rows) and predicted (columns) class.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    cells = np.asarray(true_N) * classes + predicted_N
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _mean_over(values_XC: np.ndarray, counted_XC: np.ndarray) -> np.ndarray:
    return _ratio(np.where(counted_XC, values_XC, 0.0).sum(-1), counted_XC.sum(-1))


def _f1(confusion_XCC: np.ndarray) -> np.ndarray:
    hits_XC = np.diagonal(confusion_XCC, axis1=-2, axis2=-1)
    return _ratio(2 * hits_XC, confusion_XCC.sum(-1) + confusion_XCC.sum(-2))


def accuracy(confusion_XCC: np.ndarray) -> np.ndarray:
    """Weighted accuracy (WA): the share of utterances that are right."""
    hits_X = np.trace(confusion_XCC, axis1=-2, axis2=-1)
    return _ratio(hits_X, confusion_XCC.sum((-2, -1)))


def uar(confusion_XCC: np.ndarray) -> np.ndarray:
    """Unweighted average recall (UAR, 'UA'): mean recall over the classes that truly occur.

    A class without a true utterance has no recall and is left out, as scikit-learn's
    ``balanced_accuracy_score`` does. Chance is one over the number of those classes.
    """
    true_XC = confusion_XCC.sum(-1)
    recall_XC = _ratio(np.diagonal(confusion_XCC, axis1=-2, axis2=-1), true_XC)
    return _mean_over(recall_XC, true_XC > 0)


def macro_f1(confusion_XCC: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur or are predicted; never predicted counts as 0."""
    counted_XC = (confusion_XCC.sum(-1) + confusion_XCC.sum(-2)) > 0
    return _mean_over(_f1(confusion_XCC), counted_XC)


def weighted_f1(confusion_XCC: np.ndarray) -> np.ndarray:
    """Mean F1, each class weighted by how often it truly occurs."""
    true_XC = confusion_XCC.sum(-1)
    return _ratio((np.nan_to_num(_f1(confusion_XCC)) * true_XC).sum(-1), true_XC.sum(-1))


def per_class(confusion_CC: np.ndarray, emotions: Sequence[str]) -> list[dict]:
    """Precision, recall, F1, counts and over-prediction of every class.

    Returns
    -------
    list of dict
        ``over_prediction`` is predicted / true: 1 is even-handed, 2 says the class twice as
        often as it occurs. NaN where a ratio has no denominator: precision of a class never
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


__all__ = [
    "LABEL_METRICS",
    "SCORE_METRICS",
    "VALUE_METRICS",
    "Metric",
    "classification",
    "confusion_matrix",
    "number",
    "per_class",
    "regression",
]


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
        0 for a pure number, 1 where it has the unit of the ratings, 2 where its square.
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
    "nll": Metric("NLL (nats)", scores.nll, "lower"),
    "brier": Metric("Brier", scores.brier, "lower"),
    "ece": Metric("ECE", scores.ece, "lower", resampled=False),
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
    """A plain float, or None (JSON's null) where it is undefined."""
    value = float(value)
    return value if math.isfinite(value) else None


def classification(
    true_N: np.ndarray, predicted_N: np.ndarray, classes: int
) -> dict[str, float | None]:
    """Every label metric of a whole set; utterances with a true class of -1 are left out.

    Examples
    --------
    >>> result = classification(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 0]), 2)
    >>> result["uar"], round(result["wa"], 3)
    (0.75, 0.667)
    """
    true_N, predicted_N = np.asarray(true_N), np.asarray(predicted_N)
    known_N = true_N >= 0
    confusion_CC = confusion_matrix(true_N[known_N], predicted_N[known_N], classes)
    return {
        name: number(metric.function(confusion_CC)) for name, metric in LABEL_METRICS.items()
    }


def regression(true_N: np.ndarray, predicted_N: np.ndarray) -> dict[str, float | None]:
    """Every value metric of one dimension over a whole set; NaN truths are left out.

    Examples
    --------
    >>> regression(np.array([1.0, 2.0, np.nan]), np.array([1.0, 3.0, 2.0]))["mse"]
    0.5
    """
    true_N, predicted_N = np.asarray(true_N, float), np.asarray(predicted_N, float)
    known_N = np.isfinite(true_N)
    true_N, predicted_N = true_N[known_N], predicted_N[known_N]
    sums_K = value_statistics(true_N, predicted_N).sum(0)
    return {
        name: number(
            metric.function(sums_K)
            if metric.resampled
            else metric.function(true_N, predicted_N)
        )
        for name, metric in VALUE_METRICS.items()
    }

"""The metrics: each is a function, and an entry in one of the tables at the end.

A *resampled* metric is a function of sums over utterances, so that the bootstrap can weight
speakers; it takes arrays with any leading axes X. The others take the utterances themselves and
have no interval.

Axes: N utterances, C classes, K summed statistics, X any leading axes, such as resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ser_brain.data.labels import DIMENSIONS
from ser_brain.evaluation.calibration import ece

# A variance this small relative to the mean square is rounding: the values are constant.
CONSTANT = 1e-12


def confusion_matrix(true_N: np.ndarray, predicted_N: np.ndarray, classes: int) -> np.ndarray:
    """Count utterances by true (rows) and predicted (columns) class."""
    cells = np.asarray(true_N) * classes + predicted_N
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def confusion_cells(true_N: np.ndarray, predicted_N: np.ndarray, classes: int) -> np.ndarray:
    """Make a row per utterance, (N, C * C), with a one in its cell of the confusion matrix."""
    return np.eye(classes * classes)[np.asarray(true_N) * classes + predicted_N]


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


def macro_f1(confusion_XCC: np.ndarray, named: int | None = None) -> np.ndarray:
    """Mean F1 of the classes that occur or are predicted; 0 for one that is never predicted.

    Of the first ``named`` classes: "no answer" is none.
    """
    counted_XC = (confusion_XCC.sum(-1) + confusion_XCC.sum(-2)) > 0
    counted_XC[..., named:] &= named is None
    return _mean_over(_f1(confusion_XCC), counted_XC)


def weighted_f1(confusion_XCC: np.ndarray) -> np.ndarray:
    """Mean F1, each class weighted by how often it occurs."""
    true_XC = confusion_XCC.sum(-1)
    return _ratio((np.nan_to_num(_f1(confusion_XCC)) * true_XC).sum(-1), true_XC.sum(-1))


def per_class(confusion_CC: np.ndarray, emotions: Sequence[str]) -> list[dict]:
    """Precision, recall, F1, counts and over-prediction (predicted / true) of every class.

    None where a denominator is 0: precision of a class that is never predicted, recall and
    over-prediction of one that never occurs.
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
            **{name: number(values[i]) for name, values in columns.items()},
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


def score_statistics(true_N: np.ndarray, log_probs_NC: np.ndarray) -> np.ndarray:
    """Compute per utterance 1, log-loss and Brier score: (N, 3), to be summed over N."""
    hit_NC = np.eye(log_probs_NC.shape[1])[true_N]
    brier_N = ((np.exp(log_probs_NC) - hit_NC) ** 2).sum(1)
    nll_N = -log_probs_NC[np.arange(len(true_N)), true_N]
    return np.stack([np.ones(len(true_N)), nll_N, brier_N], axis=1)


def nll(sums_XK: np.ndarray) -> np.ndarray:
    """Mean negative log-likelihood of the true class, in nats; ln C is chance."""
    return _means(sums_XK)[1]


def brier(sums_XK: np.ndarray) -> np.ndarray:
    """Brier score summed over classes, 0 to 2 (Brier 1950, Monthly Weather Review 78)."""
    return _means(sums_XK)[2]


def value_statistics(true_N: np.ndarray, predicted_N: np.ndarray) -> np.ndarray:
    """Compute per utterance 1, t, p, tt, pp, tp, error, squared error and absolute error.

    (N, 9), to be summed over N. t and p are centred on their means, so that the variances do
    not drown in rounding.
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


def _covariance(
    t: np.ndarray, p: np.ndarray, tt: np.ndarray, pp: np.ndarray, tp: np.ndarray
) -> np.ndarray:
    constant = (_variance(t, tt) == 0) | (_variance(p, pp) == 0)
    return np.where(constant, 0.0, tp - t * p)


@dataclass(frozen=True)
class Metric:
    """One metric: ``function`` takes sums over utterances or, unless ``resampled``, these."""

    title: str  # of a column
    function: Callable[..., np.ndarray | float]
    better: str  # higher, lower or zero
    resampled: bool = True  # has an interval
    unit_power: int = 0  # 0: a pure number; 1: in the unit of the ratings; 2: in its square


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


def of_dimensions(*metrics: str) -> tuple[str, ...]:
    """Names of metrics of every dimension there is: ``valence ccc``, ``arousal ccc`` ..."""
    return tuple(f"{dimension} {metric}" for metric in metrics for dimension in DIMENSIONS)


ALL_METRICS = {**LABEL_METRICS, **SCORE_METRICS, **VALUE_METRICS}


def class_summands(
    true_N: np.ndarray, predicted_N: np.ndarray, classes: int, *log_probs_NC: np.ndarray
) -> np.ndarray:
    """Confusion cells, then the score statistics of each array: (N, K), to be summed over N."""
    cells_NK = confusion_cells(true_N, predicted_N, classes)
    return np.hstack([cells_NK, *(score_statistics(true_N, each) for each in log_probs_NC)])


def class_metrics(
    classes: int, scored: bool = True, named: int | None = None
) -> dict[str, Metric]:
    """The metrics of classes and scores, as functions of sums of :func:`class_summands`.

    Without the metrics of scores where answers have none (not ``scored``). ``named``: see
    :func:`macro_f1`.
    """
    labels = dict(LABEL_METRICS)
    labels["macro_f1"] = replace(labels["macro_f1"], function=partial(macro_f1, named=named))
    cells = classes * classes

    def of_cells(function: Callable, sums_XK: np.ndarray) -> np.ndarray:
        return function(sums_XK[..., :cells].reshape(*sums_XK.shape[:-1], classes, classes))

    def of_scores(function: Callable, sums_XK: np.ndarray) -> np.ndarray:
        return function(sums_XK[..., cells:])

    found = {
        name: replace(metric, function=partial(of_cells, metric.function))
        for name, metric in labels.items()
    }
    for name, metric in SCORE_METRICS.items() if scored else ():
        if metric.resampled:
            metric = replace(metric, function=partial(of_scores, metric.function))
        found[name] = metric
    return found


def number(value: float) -> float | None:
    """A plain float, or None (JSON's null) where it is NaN or infinite."""
    value = float(value)
    return value if math.isfinite(value) else None

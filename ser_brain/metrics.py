"""The metrics: each is one function and one entry in a table below.

A *resampled* metric is a function of sums over utterances, so that the bootstrap can weigh
speakers; it takes arrays with any leading axes. The others take the utterances themselves and
have no interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ser_brain import label_metrics as labels
from ser_brain import score_metrics as scores
from ser_brain import value_metrics as values
from ser_brain.label_metrics import confusion_matrix, per_class

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
    "wa": Metric("WA", labels.accuracy, "higher"),
    "uar": Metric("UAR", labels.uar, "higher"),
    "macro_f1": Metric("Macro F1", labels.macro_f1, "higher"),
    "weighted_f1": Metric("Weighted F1", labels.weighted_f1, "higher"),
}

SCORE_METRICS: Mapping[str, Metric] = {
    "nll": Metric("NLL (nats)", scores.nll, "lower"),
    "brier": Metric("Brier", scores.brier, "lower"),
    "ece": Metric("ECE", scores.ece, "lower", resampled=False),
}

VALUE_METRICS: Mapping[str, Metric] = {
    "ccc": Metric("CCC", values.ccc, "higher"),
    "pearson": Metric("Pearson r", values.pearson, "higher"),
    "mse": Metric("MSE", values.mse, "lower", unit_power=2),
    "rmse": Metric("RMSE", values.rmse, "lower", unit_power=1),
    "mae": Metric("MAE", values.mae, "lower", unit_power=1),
    "max_abs_error": Metric(
        "Max. abs. error", values.max_abs_error, "lower", resampled=False, unit_power=1
    ),
    "mean_error": Metric("Mean error", values.mean_error, "zero", unit_power=1),
    "error_std": Metric("Std. of error", values.error_std, "lower", unit_power=1),
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
    sums_K = values.value_statistics(true_N, predicted_N).sum(0)
    return {
        name: number(
            metric.function(sums_K)
            if metric.resampled
            else metric.function(true_N, predicted_N)
        )
        for name, metric in VALUE_METRICS.items()
    }

"""Metrics of predicted classes, all read off the confusion matrix.

Axes: N utterances, C classes (rows true, columns predicted), X any leading axes, such as
resamples. Undefined is NaN here and null in results.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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

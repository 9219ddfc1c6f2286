"""Reliability: how often a model is right, beside how sure it says it is.

Axes: N utterances, C classes, K bins of confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ser_brain.score_metrics import ECE_BINS


@dataclass(frozen=True)
class Reliability:
    """What a reliability diagram shows; the bins are those of the ECE.

    Attributes
    ----------
    count_K : ndarray of int
        Utterances whose highest probability lies in the bin.
    confidence_K, accuracy_K : ndarray
        Their mean highest probability, and the share that is right; NaN in an empty bin.
    """

    count_K: np.ndarray
    confidence_K: np.ndarray
    accuracy_K: np.ndarray


def reliability(true_N: np.ndarray, log_probs_NC: np.ndarray) -> Reliability:
    """Sort utterances into 15 equal bins of confidence (Guo et al. 2017, section 2).

    Parameters
    ----------
    true_N : ndarray of int
        Class index, 0 or above.
    log_probs_NC : ndarray

    Examples
    --------
    >>> found = reliability(np.array([0, 1]), np.log([[0.7, 0.3], [0.7, 0.3]]))
    >>> found.count_K[10].item(), found.accuracy_K[10].item()
    (2, 0.5)
    """
    confidence_N = np.exp(log_probs_NC.max(1))
    right_N = log_probs_NC.argmax(1) == true_N
    bin_N = np.clip(np.ceil(confidence_N * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    count_K = np.bincount(bin_N, minlength=ECE_BINS)
    with np.errstate(invalid="ignore"):
        confidence_K = np.bincount(bin_N, confidence_N, ECE_BINS) / count_K
        accuracy_K = np.bincount(bin_N, right_N, ECE_BINS) / count_K
    return Reliability(count_K, confidence_K, accuracy_K)

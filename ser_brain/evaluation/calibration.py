"""Temperature scaling: one number that makes a model as sure as it is right.

Guo et al. (2017), On Calibration of Modern Neural Networks, section 4.2. It is fitted on
validation data and never moves a decision.

Axes: N utterances, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

# Beyond these the validation set says no more than "always right" or "no better than chance".
LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(log_probs_NC: np.ndarray, true_N: np.ndarray) -> float | None:
    """Find the temperature under which the true classes are likeliest.

    Parameters
    ----------
    log_probs_NC : ndarray
        Log-probabilities (or logits) on validation data.
    true_N : ndarray of int
        Class index; -1, no label, is left out.

    Returns
    -------
    float or None
        Between 0.05 and 20; above 1 the model is too sure. None without a labelled utterance.

    Examples
    --------
    >>> sure = np.log(np.array([[0.99, 0.01], [0.99, 0.01], [0.01, 0.99], [0.01, 0.99]]))
    >>> fit_temperature(sure, np.array([0, 1, 1, 1])) > 1
    True
    """
    log_probs_NC, true_N = np.asarray(log_probs_NC, float), np.asarray(true_N)
    known_N = true_N >= 0
    if not known_N.any():
        return None
    log_probs_NC, true_N = log_probs_NC[known_N], true_N[known_N]
    each_N = np.arange(len(true_N))

    def nll(log_temperature: float) -> float:
        scaled_NC = log_softmax(log_probs_NC / np.exp(log_temperature), axis=1)
        return float(-scaled_NC[each_N, true_N].mean())

    # In the inverse temperature the NLL is convex, so that it has one minimum in its logarithm.
    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(nll, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


ECE_BINS = 15


def score_statistics(true_N: np.ndarray, log_probs_NC: np.ndarray) -> np.ndarray:
    """Per utterance: one, negative log-likelihood, Brier score.

    Returns
    -------
    ndarray
        Shape (N, 3), to be summed over N.
    """
    each_N = np.arange(len(true_N))
    hit_NC = np.zeros_like(log_probs_NC)
    hit_NC[each_N, true_N] = 1.0
    brier_N = ((np.exp(log_probs_NC) - hit_NC) ** 2).sum(1)
    return np.stack([np.ones(len(true_N)), -log_probs_NC[each_N, true_N], brier_N], axis=1)


def _mean(sums_XK: np.ndarray, column: int) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums_XK[..., 0] > 0, sums_XK[..., column] / sums_XK[..., 0], np.nan)


def nll(sums_XK: np.ndarray) -> np.ndarray:
    """Mean negative log-likelihood of the true class, in nats; ln C is chance."""
    return _mean(sums_XK, 1)


def brier(sums_XK: np.ndarray) -> np.ndarray:
    """Brier score summed over classes, 0 to 2 (Brier 1950, Monthly Weather Review 78)."""
    return _mean(sums_XK, 2)


def ece(true_N: np.ndarray, log_probs_NC: np.ndarray) -> float:
    """Expected calibration error, 15 equal-width bins (Guo et al. 2017, equation 3).

    The mean gap between confidence (highest probability) and accuracy, weighted by how many
    utterances each bin holds. A resample adds noise to every bin, so its percentile interval
    would lie above the value itself: none is given.
    """
    if len(true_N) == 0:
        return float("nan")
    confidence_N = np.exp(log_probs_NC.max(1))
    right_N = log_probs_NC.argmax(1) == true_N
    bin_N = np.clip(np.ceil(confidence_N * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    gap_N = right_N.astype(np.float64) - confidence_N
    return float(np.abs(np.bincount(bin_N, gap_N, ECE_BINS)).sum() / len(true_N))


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

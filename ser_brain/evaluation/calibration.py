"""Probabilities: how good they are, and temperature scaling, which makes them honest.

One number, fitted on validation data, divides the logits so that the model is as confident as
it is accurate; it changes no decision (Guo et al. 2017, On Calibration of Modern Neural
Networks, section 4.2).

Axes: N utterances, C classes, K bins or summed statistics, X any leading axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

# Beyond these, the validation set only shows "always right" or "no better than chance".
LOWEST, HIGHEST = 0.05, 20.0
BINS = 15


def fit_temperature(log_probs_NC: np.ndarray, true_N: np.ndarray) -> float | None:
    """Find the temperature under which the true classes are most likely.

    Parameters
    ----------
    log_probs_NC : ndarray
        Log-probabilities (or logits) on validation data.
    true_N : ndarray of int
        Class index; utterances with -1, no label, are ignored.

    Returns
    -------
    float or None
        Between 0.05 and 20; above 1 the model is overconfident. None without a label.

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

    def loss(log_temperature: float) -> float:
        scaled_NC = log_softmax(log_probs_NC / np.exp(log_temperature), axis=1)
        return float(-scaled_NC[each_N, true_N].mean())

    # The NLL is convex in the inverse temperature, so it has one minimum in its logarithm.
    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def score_statistics(true_N: np.ndarray, log_probs_NC: np.ndarray) -> np.ndarray:
    """Compute per utterance 1, log-loss and Brier score: (N, 3), to be summed over N."""
    each_N = np.arange(len(true_N))
    hit_NC = np.zeros_like(log_probs_NC)
    hit_NC[each_N, true_N] = 1.0
    brier_N = ((np.exp(log_probs_NC) - hit_NC) ** 2).sum(1)
    return np.stack([np.ones(len(true_N)), -log_probs_NC[each_N, true_N], brier_N], axis=1)


def nll(sums_XK: np.ndarray) -> np.ndarray:
    """Mean negative log-likelihood of the true class, in nats; ln C is chance."""
    return _mean(sums_XK, 1)


def brier(sums_XK: np.ndarray) -> np.ndarray:
    """Brier score summed over classes, 0 to 2 (Brier 1950, Monthly Weather Review 78)."""
    return _mean(sums_XK, 2)


def _mean(sums_XK: np.ndarray, column: int) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums_XK[..., 0] > 0, sums_XK[..., column] / sums_XK[..., 0], np.nan)


def ece(true_N: np.ndarray, log_probs_NC: np.ndarray) -> float:
    """Expected calibration error, 15 equal-width bins (Guo et al. 2017, equation 3).

    The mean gap between confidence (highest probability) and accuracy, weighted by the number
    of utterances in each bin. Resampling adds noise to every bin, so a percentile interval
    would lie above the value itself: there is none.
    """
    if len(true_N) == 0:
        return float("nan")
    bin_N, confidence_N, right_N = _binned(true_N, log_probs_NC)
    gap_K = np.bincount(bin_N, right_N.astype(np.float64) - confidence_N, BINS)
    return float(np.abs(gap_K).sum() / len(true_N))


@dataclass(frozen=True)
class ReliabilityBins:
    """The content of a reliability diagram; the bins are those of the ECE.

    Attributes
    ----------
    count_K : ndarray of int
        Utterances whose highest probability is in the bin.
    confidence_K, accuracy_K : ndarray
        Their mean highest probability, and the proportion classified correctly; NaN in an
        empty bin.
    """

    count_K: np.ndarray
    confidence_K: np.ndarray
    accuracy_K: np.ndarray


def reliability_bins(true_N: np.ndarray, log_probs_NC: np.ndarray) -> ReliabilityBins:
    """Sort utterances into 15 equal-width bins of confidence (Guo et al. 2017, section 2).

    Examples
    --------
    >>> found = reliability_bins(np.array([0, 1]), np.log([[0.7, 0.3], [0.7, 0.3]]))
    >>> found.count_K[10].item(), found.accuracy_K[10].item()
    (2, 0.5)
    """
    bin_N, confidence_N, right_N = _binned(true_N, log_probs_NC)
    count_K = np.bincount(bin_N, minlength=BINS)
    with np.errstate(invalid="ignore"):
        confidence_K = np.bincount(bin_N, confidence_N, BINS) / count_K
        accuracy_K = np.bincount(bin_N, right_N, BINS) / count_K
    return ReliabilityBins(count_K, confidence_K, accuracy_K)


def _binned(true_N: np.ndarray, log_probs_NC: np.ndarray) -> tuple[np.ndarray, ...]:
    """Bin, confidence and correctness of each utterance; a bin includes its upper edge."""
    confidence_N = np.exp(log_probs_NC.max(1))
    right_N = log_probs_NC.argmax(1) == true_N
    bin_N = np.clip(np.ceil(confidence_N * BINS).astype(int) - 1, 0, BINS - 1)
    return bin_N, confidence_N, right_N

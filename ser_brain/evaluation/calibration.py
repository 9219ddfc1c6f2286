"""Probabilities: how good they are, and temperature scaling, which makes them honest.

One number, fitted on validation data, divides the logits so that the model is as confident as
it is accurate; it changes no decision (Guo et al. 2017, On Calibration of Modern Neural
Networks, section 4.2).

Axes: N utterances, C classes, K bins.
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

    Between 0.05 and 20; above 1 the model is overconfident. None where every class index is -1
    (no label). ``log_probs_NC`` may also be logits.
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
    """The content of a reliability diagram: means are NaN in an empty bin."""

    count_K: np.ndarray  # utterances whose highest probability is in the bin
    confidence_K: np.ndarray  # their mean highest probability
    accuracy_K: np.ndarray  # the proportion classified correctly


def reliability_bins(true_N: np.ndarray, log_probs_NC: np.ndarray) -> ReliabilityBins:
    """Sort utterances into the 15 bins of the ECE (Guo et al. 2017, section 2)."""
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

"""Metrics of class probabilities: is the model as sure as it is right?

Axes: N utterances, C classes, K summed statistics, X any leading axes, such as resamples.
"""

from __future__ import annotations

import numpy as np

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

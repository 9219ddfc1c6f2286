"""Temperature scaling: one number that makes a model as sure as it is right.

Guo et al. (2017), On Calibration of Modern Neural Networks, section 4.2. It is fitted on
validation data and never moves a decision.

Axes: N utterances, C classes.
"""

from __future__ import annotations

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

"""."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.calibration import calibration_curve

from ser_brain.evaluation.calibration import (
    HIGHEST,
    LOWEST,
    ece,
    fit_temperature,
    reliability_bins,
)


def drawn(temperature, count=20_000, seed=0):
    """Scores of a model that is right as often as it says, then divided by a temperature."""
    rng = np.random.default_rng(seed)
    honest_NC = log_softmax(rng.normal(0, 2, (count, 4)), axis=1)
    true_N = (rng.random((count, 1)) > np.exp(honest_NC).cumsum(1)).sum(1)
    return log_softmax(honest_NC / temperature, axis=1), np.minimum(true_N, 3)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_a_planted_temperature_is_found(temperature):
    log_probs_NC, true_N = drawn(temperature)
    assert fit_temperature(log_probs_NC, true_N) == pytest.approx(1 / temperature, rel=0.03)


def test_utterances_without_a_label_are_left_out():
    log_probs_NC, true_N = drawn(0.5, count=300)
    more_NC = np.vstack([log_probs_NC, np.log(np.full((50, 4), 0.25))])
    more_N = np.concatenate([true_N, np.full(50, -1)])
    assert fit_temperature(more_NC, more_N) == fit_temperature(log_probs_NC, true_N)


def test_always_right_and_always_wrong_end_at_the_bounds():
    sure_NC = log_softmax(np.array([[2.0, 0.0], [0.0, 2.0]]), axis=1)
    assert fit_temperature(sure_NC, np.array([0, 1])) == pytest.approx(LOWEST, abs=0.01)
    assert fit_temperature(sure_NC, np.array([1, 0])) == pytest.approx(HIGHEST, rel=0.1)


def test_nothing_to_fit_on():
    assert fit_temperature(np.log(np.full((2, 2), 0.5)), np.array([-1, -1])) is None


RNG = np.random.default_rng(0)
PROBS_NC = RNG.dirichlet(np.ones(4), 300)
TRUE_N = RNG.integers(4, size=300)


def test_the_bins_are_those_of_scikit_learn():
    found = reliability_bins(TRUE_N, np.log(PROBS_NC))
    right_N = PROBS_NC.argmax(1) == TRUE_N
    accuracy, confidence = calibration_curve(right_N, PROBS_NC.max(1), n_bins=15)
    held_K = found.count_K > 0
    assert found.accuracy_K[held_K] == pytest.approx(accuracy)
    assert found.confidence_K[held_K] == pytest.approx(confidence)
    assert found.count_K.sum() == 300


def test_their_weighted_gap_is_the_ece():
    found = reliability_bins(TRUE_N, np.log(PROBS_NC))
    gap_K = np.nan_to_num(np.abs(found.accuracy_K - found.confidence_K))
    assert (gap_K * found.count_K).sum() / 300 == pytest.approx(ece(TRUE_N, np.log(PROBS_NC)))


def test_an_empty_bin_has_no_accuracy():
    found = reliability_bins(np.array([0]), np.log([[1.0, 1e-9]]))
    assert found.count_K.tolist() == [0] * 14 + [1]
    assert np.isnan(found.accuracy_K[:14]).all() and found.accuracy_K[14] == 1

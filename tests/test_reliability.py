import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from ser_brain.reliability import reliability
from ser_brain.score_metrics import ece

RNG = np.random.default_rng(0)
PROBS_NC = RNG.dirichlet(np.ones(4), 300)
TRUE_N = RNG.integers(4, size=300)


def test_the_bins_are_those_of_scikit_learn():
    found = reliability(TRUE_N, np.log(PROBS_NC))
    right_N = PROBS_NC.argmax(1) == TRUE_N
    accuracy, confidence = calibration_curve(right_N, PROBS_NC.max(1), n_bins=15)
    held_K = found.count_K > 0
    assert found.accuracy_K[held_K] == pytest.approx(accuracy)
    assert found.confidence_K[held_K] == pytest.approx(confidence)
    assert found.count_K.sum() == 300


def test_their_weighted_gap_is_the_ece():
    found = reliability(TRUE_N, np.log(PROBS_NC))
    gap_K = np.nan_to_num(np.abs(found.accuracy_K - found.confidence_K))
    assert (gap_K * found.count_K).sum() / 300 == pytest.approx(ece(TRUE_N, np.log(PROBS_NC)))


def test_an_empty_bin_has_no_accuracy():
    found = reliability(np.array([0]), np.log([[1.0, 1e-9]]))
    assert found.count_K.tolist() == [0] * 14 + [1]
    assert np.isnan(found.accuracy_K[:14]).all() and found.accuracy_K[14] == 1

"""Metrics and calibration: against scikit-learn, scipy, or by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import log_softmax
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from ser_brain.evaluation import metrics
from ser_brain.evaluation.calibration import (
    HIGHEST,
    LOWEST,
    ece,
    fit_temperature,
    reliability_bins,
)
from ser_brain.evaluation.metrics import (
    LABEL_METRICS,
    VALUE_METRICS,
    ccc,
    class_metrics,
    class_summands,
    confusion_matrix,
    number,
    pearson,
    per_class,
    value_statistics,
)


def classification(true_N, predicted_N, classes):
    confusion_CC = confusion_matrix(true_N, predicted_N, classes)
    return {name: number(m.function(confusion_CC)) for name, m in LABEL_METRICS.items()}


def regression(true_N, predicted_N):
    sums_K = value_statistics(true_N, predicted_N).sum(0)
    return {
        name: number(m.function(*([sums_K] if m.resampled else [true_N, predicted_N])))
        for name, m in VALUE_METRICS.items()
    }


def close(value):
    return pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_classes_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 9))
    true_N, predicted_N = rng.integers(classes, size=(2, 300))
    found = classification(true_N, predicted_N, classes)
    assert found["wa"] == close(sk.accuracy_score(true_N, predicted_N))
    assert found["uar"] == close(sk.balanced_accuracy_score(true_N, predicted_N))
    assert found["macro_f1"] == close(sk.f1_score(true_N, predicted_N, average="macro"))
    assert found["weighted_f1"] == close(sk.f1_score(true_N, predicted_N, average="weighted"))
    confusion_CC = confusion_matrix(true_N, predicted_N, classes)
    np.testing.assert_array_equal(confusion_CC, sk.confusion_matrix(true_N, predicted_N))
    table = per_class(confusion_CC, [str(c) for c in range(classes)])
    expected = sk.precision_recall_fscore_support(true_N, predicted_N)
    for name, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [line[name] for line in table] == close(column.tolist())


def test_a_class_that_never_occurs():
    # Class 2 is predicted once and never true, class 3 is neither.
    true_N, predicted_N = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    found = classification(true_N, predicted_N, 4)
    assert found["uar"] == 0.75  # Over classes 0 and 1.
    assert found["macro_f1"] == close((2 / 3 + 1 + 0) / 3)  # Over classes 0, 1, 2.
    assert found["macro_f1"] == close(sk.f1_score(true_N, predicted_N, average="macro"))
    confusion_CC = confusion_matrix(true_N, predicted_N, 4)
    table = per_class(confusion_CC, list("abcd"))
    assert table[0]["over_prediction"] == 0.5
    assert table[2]["recall"] is None and table[2]["over_prediction"] is None
    assert table[2]["precision"] == 0.0
    assert table[3]["precision"] is None and table[3]["f1"] is None

    # One class, and no utterance.
    assert classification(np.zeros(3, int), np.array([0, 0, 1]), 2)["uar"] == close(2 / 3)
    none_N = np.zeros(0, int)
    assert classification(none_N, none_N, 2) == dict.fromkeys(LABEL_METRICS)


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    probs_NC = rng.dirichlet(np.ones(4), size=200)
    true_N = rng.integers(4, size=200)
    sums_K = metrics.score_statistics(true_N, np.log(probs_NC)).sum(0)
    assert metrics.nll(sums_K) == close(sk.log_loss(true_N, probs_NC, labels=range(4)))
    hit_NC = np.eye(4)[true_N]
    assert metrics.brier(sums_K) == close(((probs_NC - hit_NC) ** 2).sum(1).mean())
    found = reliability_bins(true_N, np.log(probs_NC))
    right_N = probs_NC.argmax(1) == true_N
    accuracy, confidence = calibration_curve(right_N, probs_NC.max(1), n_bins=15)
    held_K = found.count_K > 0
    assert found.accuracy_K[held_K] == close(accuracy)
    assert found.confidence_K[held_K] == close(confidence)
    assert found.count_K.sum() == 200
    # Guo et al. 2017, equation 3.
    gap_K = np.nan_to_num(np.abs(found.accuracy_K - found.confidence_K))
    assert ece(true_N, np.log(probs_NC)) == close((gap_K * found.count_K).sum() / 200)


def test_calibration_by_hand():
    # Sure (0.8) and right three times of four: |0.75 - 0.8|.
    log_probs_NC = np.log(np.tile([0.8, 0.2], (4, 1)))
    assert ece(np.array([0, 0, 0, 1]), log_probs_NC) == close(0.05)
    assert math.isnan(ece(np.zeros(0, int), np.zeros((0, 2))))
    found = reliability_bins(np.array([0]), np.log([[1.0, 1e-9]]))  # all other bins are empty
    assert found.count_K.tolist() == [0] * 14 + [1]
    assert np.isnan(found.accuracy_K[:14]).all() and found.accuracy_K[14] == 1


@pytest.mark.parametrize("seed", range(5))
def test_values_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    true_N = rng.uniform(1, 5, 200)
    predicted_N = (-0.5) ** seed * true_N + 1 + rng.normal(0, 0.6, 200)  # also against it
    found, error_N = regression(true_N, predicted_N), predicted_N - true_N
    covariance = np.cov(true_N, predicted_N, bias=True)
    apart = (true_N.mean() - predicted_N.mean()) ** 2
    expected = {
        "ccc": 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + apart),
        "pearson": stats.pearsonr(true_N, predicted_N).statistic,
        "mse": sk.mean_squared_error(true_N, predicted_N),
        "rmse": sk.root_mean_squared_error(true_N, predicted_N),
        "mae": sk.mean_absolute_error(true_N, predicted_N),
        "max_abs_error": sk.max_error(true_N, predicted_N),
        "mean_error": error_N.mean(),
        "error_std": error_N.std(),
    }
    assert found == {name: close(value) for name, value in expected.items()}


@pytest.mark.parametrize("constant", [0.1, 3.0, 1e-9, 1234.567])
@pytest.mark.parametrize("which", ["predicted", "true", "both"])
def test_constant_values(constant, which):
    varied_N, constant_N = np.linspace(1, 5, 7), np.full(7, constant)
    true_N = constant_N if which in ("true", "both") else varied_N
    predicted_N = constant_N if which in ("predicted", "both") else varied_N
    found = regression(true_N, predicted_N)
    assert found["pearson"] is None
    assert found["ccc"] == 0.0


def test_a_resample_of_one_utterance_over_and_over():
    # Its shifted mean square is far from zero, its variance must still be seen as zero.
    true_N, predicted_N = np.array([1.0, 4.7]), np.array([1.3, 2.9])
    sums_K = value_statistics(true_N, predicted_N)[0] * 3
    assert math.isnan(pearson(sums_K))
    assert ccc(sums_K) == 0.0


def test_almost_constant_predictions_are_not_constant():
    true_N = np.linspace(1, 5, 9)
    found = regression(true_N, 3 + 1e-7 * true_N)
    assert found["pearson"] == pytest.approx(1.0, abs=1e-6)
    assert regression(np.zeros(0), np.zeros(0)) == dict.fromkeys(VALUE_METRICS)


def test_metrics_take_leading_axes():
    rng = np.random.default_rng(0)
    true_N, predicted_N = rng.integers(3, size=(2, 50))
    log_probs_NC = log_softmax(rng.normal(size=(50, 3)), axis=1)
    of_classes = class_summands(true_N, predicted_N, 3, log_probs_NC)
    of_values = value_statistics(*rng.normal(size=(2, 50)))
    for table, statistics_NK in ((class_metrics(3), of_classes), (VALUE_METRICS, of_values)):
        sums_BK = np.stack([statistics_NK[:20].sum(0), statistics_NK[20:].sum(0)])
        for metric in (metric for metric in table.values() if metric.resampled):
            each = [metric.function(sums_K) for sums_K in sums_BK]
            np.testing.assert_allclose(metric.function(sums_BK), each, atol=1e-9)


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


def test_the_ends_of_the_temperature_and_utterances_without_a_label():
    log_probs_NC, true_N = drawn(0.5, count=300)
    more_NC = np.vstack([log_probs_NC, np.log(np.full((50, 4), 0.25))])
    more_N = np.concatenate([true_N, np.full(50, -1)])
    assert fit_temperature(more_NC, more_N) == fit_temperature(log_probs_NC, true_N)
    sure_NC = log_softmax(np.array([[2.0, 0.0], [0.0, 2.0]]), axis=1)
    assert fit_temperature(sure_NC, np.array([0, 1])) == pytest.approx(LOWEST, abs=0.01)
    assert fit_temperature(sure_NC, np.array([1, 0])) == pytest.approx(HIGHEST, rel=0.1)

    assert fit_temperature(np.log(np.full((2, 2), 0.5)), np.array([-1, -1])) is None

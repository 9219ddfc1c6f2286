"""Every metric against scikit-learn or by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from ser_brain.evaluation import calibration, metrics
from ser_brain.evaluation.metrics import (
    LABEL_METRICS,
    VALUE_METRICS,
    ccc,
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


def test_one_class_and_no_utterance():
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
    # Guo et al. 2017, equation 3, written out.
    confidence_N, right_N = probs_NC.max(1), probs_NC.argmax(1) == true_N
    expected = 0.0
    for m in range(15):
        bin_N = (confidence_N > m / 15) & (confidence_N <= (m + 1) / 15)
        if bin_N.any():
            gap = abs(right_N[bin_N].mean() - confidence_N[bin_N].mean())
            expected += bin_N.sum() / 200 * gap
    assert calibration.ece(true_N, np.log(probs_NC)) == close(expected)


def test_calibration_by_hand():
    # Sure (0.8) and right three times of four: |0.75 - 0.8|.
    log_probs_NC = np.log(np.tile([0.8, 0.2], (4, 1)))
    assert calibration.ece(np.array([0, 0, 0, 1]), log_probs_NC) == close(0.05)
    assert math.isnan(calibration.ece(np.zeros(0, int), np.zeros((0, 2))))


@pytest.mark.parametrize("seed", range(5))
def test_values_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    true_N = rng.uniform(1, 5, 200)
    predicted_N = 0.5 * true_N + 1 + rng.normal(0, 0.6, 200)
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


def test_ccc_by_hand():
    # Means 2 and 3, variances 2/3, covariance 2/3: 2 * 2/3 / (4/3 + 1).
    found = regression(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    assert found["ccc"] == close(4 / 7)
    assert found["pearson"] == close(1.0)
    assert found["mean_error"] == close(1.0)
    assert found["error_std"] == 0.0


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


def test_no_values():
    found = regression(np.zeros(0), np.zeros(0))
    assert found == dict.fromkeys(VALUE_METRICS)


def test_metrics_take_leading_axes():
    rng = np.random.default_rng(0)
    confusion_BCC = rng.integers(0, 9, size=(5, 3, 3)).astype(float)
    for metric in LABEL_METRICS.values():
        each = [float(metric.function(confusion_CC)) for confusion_CC in confusion_BCC]
        np.testing.assert_allclose(metric.function(confusion_BCC), each)
    true_N, predicted_N = rng.normal(size=(2, 50))
    statistics_NK = value_statistics(true_N, predicted_N)
    sums_BK = np.stack([statistics_NK[:20].sum(0), statistics_NK[20:].sum(0)])
    for name, metric in VALUE_METRICS.items():
        if metric.resampled:
            parts = [slice(0, 20), slice(20, 50)]
            each = [regression(true_N[p], predicted_N[p])[name] for p in parts]
            np.testing.assert_allclose(metric.function(sums_BK), each, atol=1e-9)

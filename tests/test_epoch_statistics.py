import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from ser_brain.epoch_statistics import epoch_statistics, format_statistics


def classified(probabilities, index, target=(math.nan, math.nan), said=None):
    row = {
        "emotion_index": np.int64(index),
        "target": np.array(target, dtype=np.float32),
        "log_probabilities": np.log(np.array(probabilities, dtype=np.float32)),
    }
    if said is not None:
        row["valence_arousal"] = np.array(said, dtype=np.float32)
    return row


def test_hand_computed_classification():
    outputs = [
        classified([0.7, 0.2, 0.1], 0),
        classified([0.6, 0.3, 0.1], 0),
        classified([0.5, 0.4, 0.1], 1),
        classified([0.9, 0.05, 0.05], -1),  # no label: takes no part
    ]
    found = epoch_statistics(outputs, {"nll": 1.0})
    assert found["nll"] == pytest.approx(-np.log([0.7, 0.6, 0.4]).mean())
    assert found["error_rate"] == pytest.approx(1 / 3)
    assert found["uar"] == pytest.approx(0.5)  # over the two classes that occur
    assert found["loss"] == pytest.approx(found["nll"])
    assert "mse" not in found


def test_hand_computed_regression():
    outputs = [
        {"emotion_index": -1, "target": np.array([1.0, 2.0]), "valence_arousal": np.array(s)}
        for s in ([1.0, 4.0], [2.0, 2.0])
    ]
    unrated = {**outputs[0], "target": np.array([math.nan, 2.0])}
    found = epoch_statistics([*outputs, unrated], {"mse": 2.0})
    assert found == {"loss": pytest.approx(2 * 5 / 4), "mse": pytest.approx(5 / 4)}


def test_both_with_weights():
    outputs = [classified([0.5, 0.5], 0, target=(1, 1), said=(2, 3))]
    found = epoch_statistics(outputs, {"nll": 3.0, "mse": 0.5})
    assert found["loss"] == pytest.approx(3 * math.log(2) + 0.5 * 2.5)


def test_over_the_set_and_not_over_its_batches():
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1], [30, 2])
    outputs = [classified(rng.dirichlet([9, 1]), i) for i in true]
    found = epoch_statistics(outputs, {"nll": 1.0})
    said = [row["log_probabilities"].argmax() for row in outputs]
    assert found["uar"] == pytest.approx(balanced_accuracy_score(true, said))
    batches = [
        epoch_statistics(outputs[i : i + 8], {"nll": 1.0})["uar"] for i in range(0, 32, 8)
    ]
    assert np.mean(batches) > found["uar"] + 0.2  # What an average over batches would say.
    shuffled = [outputs[i] for i in rng.permutation(len(outputs))]
    assert epoch_statistics(shuffled, {"nll": 1.0}) == pytest.approx(found)


def test_many_small_values_are_summed_in_float64():
    outputs = [classified([1 - 1e-4, 1e-4], 0) for _ in range(5000)]
    expected = -float(np.float64(outputs[0]["log_probabilities"][0]))
    found = epoch_statistics(outputs, {"nll": 1.0})["nll"]
    assert found == pytest.approx(expected, rel=1e-12)


def test_format_statistics():
    assert format_statistics({"loss": 1.23456, "uar": 1.0}) == "loss 1.235 uar 1.000"

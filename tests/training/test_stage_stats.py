"""Statistics are over the whole set, and name what stops a run."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score
from speechbrain import Stage

from ser_brain.core.errors import SERError
from ser_brain.models.losses import MaskedLoss, ccc
from ser_brain.training.stage_stats import (
    StageRecord,
    class_statistics,
    loss_statistics,
    require_metrics,
    validation_value,
)


def classified(probabilities, index):
    return {
        "emotion_index": np.int64(index),
        "log_probabilities": np.log(np.array(probabilities, dtype=np.float32)),
    }


def test_losses_are_means_over_utterances_of_all_ranks():
    ranks = [{"nll": (6.0, 3), "mse": (1.0, 1)}, {"nll": (2.0, 1), "mse": (0.0, 0)}, {}]
    found = loss_statistics(ranks, {"nll": 3.0, "mse": 0.5})
    assert found == {"loss": pytest.approx(3 * 2.0 + 0.5 * 1.0), "nll": 2.0, "mse": 1.0}


def test_a_loss_without_any_label_is_no_number():
    ranks = [{"nll": (6.0, 3), "mse": (0.0, 0)}]
    assert loss_statistics(ranks, {"nll": 1.0, "mse": 1.0}) == {"loss": 2.0, "nll": 2.0}


def test_hand_computed_classes():
    outputs = [
        classified([0.7, 0.2, 0.1], 0),
        classified([0.6, 0.3, 0.1], 0),
        classified([0.5, 0.4, 0.1], 1),
        classified([0.9, 0.05, 0.05], -1),  # no label: takes no part
    ]
    found = class_statistics(outputs)
    assert found == {"error_rate": pytest.approx(1 / 3), "uar": pytest.approx(0.5)}


def test_no_class_statistics_without_labels_or_classes():
    unlabelled = classified([0.5, 0.5], -1)
    regression = {"emotion_index": np.int64(0), "valence_arousal": np.array([1.0, 4.0])}
    assert class_statistics([unlabelled, regression]) == {}


def test_uar_is_over_the_set_and_not_over_its_batches():
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1], [30, 2])
    outputs = [classified(rng.dirichlet([9, 1]), i) for i in true]
    found = class_statistics(outputs)
    said = [row["log_probabilities"].argmax() for row in outputs]
    assert found["uar"] == pytest.approx(balanced_accuracy_score(true, said))
    batches = [class_statistics(outputs[i : i + 8])["uar"] for i in range(0, 32, 8)]
    assert np.mean(batches) > found["uar"] + 0.2  # What an average over batches would say.
    shuffled = [outputs[i] for i in rng.permutation(len(outputs))]
    assert class_statistics(shuffled) == pytest.approx(found)


def test_an_experiment_weighs_exactly_its_losses():
    with pytest.raises(
        SERError, match=r"Bad loss_weights .*losses are: nll; mse, at least one"
    ):
        require_metrics(("nll", "mse"), {"nll": 1.0}, "loss", ("emotion",))


def test_a_validation_metric_must_fall():
    require_metrics(("kl",), {"kl": 1.0}, "kl", ("emotion",))
    require_metrics(("kl",), {"kl": 1.0}, "error_rate", ("emotion",))
    with pytest.raises(SERError, match="Bad validation_metric .* 'uar'"):
        require_metrics(("nll",), {"nll": 1.0}, "uar", ("emotion",))
    with pytest.raises(SERError, match="expected one of: loss, mse"):
        require_metrics(("mse",), {"mse": 1.0}, "error_rate", ("valence_arousal",))


def test_a_validation_metric_needs_labels():
    with pytest.raises(SERError, match="validation_metric error_rate cannot be computed"):
        validation_value({"loss": 0.5, "nll": 0.5}, "error_rate", 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_validation_metric_that_is_not_finite_stops_before_the_checkpoint(value):
    with pytest.raises(SERError, match=f"After epoch 3 the validation loss is {value}"):
        validation_value({"loss": value}, "loss", 3)


WEIGHTS = {"nll": 1.0, "mse": 2.0}


def batch(*ids):
    return SimpleNamespace(id=list(ids), emotion_index=torch.arange(len(ids)))


def losses(nll, mse, labelled=2):
    of = {"nll": (nll, 2), "mse": (mse, labelled)}
    return {name: MaskedLoss(torch.tensor(mean), count) for name, (mean, count) in of.items()}


@pytest.mark.parametrize("stage", Stage)
def test_losses_are_means_over_labelled_utterances(stage):
    record = StageRecord(stage)
    record.add(batch("a", "b"), {}, losses(1.0, 4.0, labelled=1))
    record.add(batch("c", "d"), {}, losses(2.0, 1.0))
    assert record.losses(WEIGHTS) == {"loss": 1.5 + 2 * 2.0, "nll": 1.5, "mse": 2.0}


def test_batches_of_a_step_that_was_not_taken_do_not_count():
    record = StageRecord(Stage.TRAIN)
    for mean, taken in ((1.0, True), (9.0, False), (3.0, True)):
        record.add(batch("a", "b"), {}, losses(mean, 1.0))
        record.add(batch("c", "d"), {}, losses(mean, 1.0))
        record.settle(taken)
    assert record.losses(WEIGHTS)["nll"] == 2.0


def test_a_ccc_is_that_of_the_set_over_batches_ranks_and_the_steps_taken():
    predicted, target = torch.randn(2, 9, 2, generator=torch.Generator().manual_seed(0))
    whole = ccc(predicted, target).mean.item()
    records = StageRecord(Stage.TRAIN), StageRecord(Stage.TRAIN)
    for rows, taken, record in (
        (slice(0, 3), True, records[0]),
        (slice(1, 9), False, records[0]),  # a step that was not taken
        (slice(3, 5), True, records[0]),
        (slice(5, 9), True, records[1]),
    ):
        loss = ccc(predicted[rows], target[rows], record.moments.get("ccc"))
        record.add(batch(), {}, {"ccc": loss})
        record.settle(taken)
    found = loss_statistics([record.sums for record in records], {"ccc": 2.0})
    assert found == {"ccc": pytest.approx(whole), "loss": pytest.approx(2 * whole)}


def test_a_ccc_without_any_label_is_no_number():
    record = StageRecord(Stage.VALID)
    nothing = torch.full((2, 2), math.nan)
    record.add(batch(), {}, {"ccc": ccc(torch.ones(2, 2), nothing)})
    assert record.losses({"ccc": 1.0}) == {"loss": 0}


def test_an_experiment_has_a_loss_for_each_of_its_tasks():
    both = ("emotion", "valence_arousal")
    require_metrics((), {"focal": 1.0, "ccc": 1.0, "mse": 0.0}, "mse", both)
    for weights in ({"nll": 1.0}, {"nll": 1.0, "ccc": 1.0, "huber": 1.0}):
        with pytest.raises(SERError, match=r"losses are: nll, .*kl; mse, mae, ccc, at least"):
            require_metrics((), weights, "loss", both)


def test_outputs_are_kept_by_utterance_but_for_training():
    said = {"embedding": torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.bfloat16)}
    record = StageRecord(Stage.TEST)
    record.add(batch("a", "b"), said, losses(1.0, 1.0))
    first, second = record.outputs()
    assert (first["id"], second["id"]) == ("a", "b")
    assert (first["emotion_index"], second["emotion_index"]) == (0, 1)
    assert second["embedding"].tolist() == [3.0, 4.0]
    record = StageRecord(Stage.TRAIN)
    record.add(batch("a", "b"), said, losses(1.0, 1.0))
    assert record.outputs() == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_counts_but_for_training(value):
    for stage, expected in ((Stage.TRAIN, 1.0), (Stage.VALID, value)):
        record = StageRecord(stage)
        record.add(batch("a", "b"), {}, losses(1.0, 1.0))
        record.add(batch("c", "d"), {}, losses(1.0, value))
        found = record.losses(WEIGHTS)
        assert found["nll"] == 1.0
        assert found["mse"] == pytest.approx(expected, nan_ok=True)

"""What the batches of a stage add up to."""

import math
from types import SimpleNamespace

import pytest
import torch
from speechbrain import Stage

from ser_brain.losses import MaskedLoss
from ser_brain.stage_record import StageRecord

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

"""What the Brain refuses; its training is tested end to end in test_train and test_golden."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from ser_brain.brain import SERBrain
from ser_brain.errors import SERError


@pytest.fixture
def brain():
    """A Brain with settings and nothing else built."""
    brain = object.__new__(SERBrain)
    brain.hparams = SimpleNamespace(validation_metric="loss", nonfinite_batches="stop")
    return brain


def test_a_validation_metric_needs_labels(brain):
    brain.hparams.validation_metric = "error_rate"
    with pytest.raises(SERError, match="error_rate has nothing to be computed on"):
        brain._end_epoch(1, {"loss": 0.5, "nll": 0.5})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_its_batch(brain, value):
    brain.batch_ids = ["demo_a", "demo_b"]
    with pytest.raises(SERError, match=f"The loss is {value} in the batch of demo_a, demo_b"):
        brain.check_loss_isfinite(torch.tensor(value))
    brain.check_loss_isfinite(torch.tensor(1.0))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_validation_metric_that_is_not_finite_stops_before_the_checkpoint(brain, value):
    with pytest.raises(SERError, match=f"After epoch 3 the validation loss is {value}"):
        brain._end_epoch(3, {"loss": value})

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


@pytest.mark.parametrize(
    "meta, test_only, filled",
    [
        (None, False, [None]),
        (None, True, []),
        ({"epoch": 1, "cached_features": True}, False, [True]),
        ({"epoch": 1, "cached_features": False}, False, [False]),
        ({"epoch": 1}, False, [None]),  # of an earlier version
        ({"epoch": 2, "cached_features": True}, False, []),
    ],
)
def test_the_cache_is_filled_for_epochs_that_are_left_as_for_those_before(
    brain, meta, test_only, filled
):
    found = []
    latest = SimpleNamespace(meta=meta) if meta else None
    brain.hparams.number_of_epochs = 2
    brain.test_only = test_only
    brain.precision = "fp32"
    brain.noprogressbar = True
    brain.checkpointer = SimpleNamespace(find_latest=lambda: latest)
    brain.loaders = SimpleNamespace(fill_cache=lambda rows, bar, began: found.append(began))
    brain._go_on({})
    assert found == filled


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_its_batch(brain, value):
    brain.batch_ids = ["demo_a", "demo_b"]
    with pytest.raises(SERError, match=f"The loss is {value} in the batch of demo_a, demo_b"):
        brain.check_loss_isfinite(torch.tensor(value))
    brain.check_loss_isfinite(torch.tensor(1.0))

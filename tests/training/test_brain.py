"""The Brain's guard against non-finite numbers, its random numbers and its optimisers."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from ser_brain.core.errors import SERError
from ser_brain.training import device
from ser_brain.training.brain import SERBrain
from ser_brain.training.nonfinite_guard import NonfiniteGuard
from ser_brain.training.sampling import seed_epoch

NAN, INF = float("nan"), float("inf")


class Small(NonfiniteGuard):
    """A linear model whose loss is scaled by what the batch says."""

    def compute_forward(self, batch, stage):
        self.note_batch(batch["id"])
        return self.modules.model(batch["x"])

    def compute_objectives(self, predictions, batch, stage):
        return predictions.mean() * batch["scale"]


def small(nonfinite_batches):
    torch.manual_seed(0)
    return Small(
        {"model": torch.nn.Linear(3, 1)},
        lambda parameters: torch.optim.Adam(parameters, lr=0.1),
        {"nonfinite_batches": nonfinite_batches},
    )


def fit(brain, scales):
    x = torch.arange(6.0).reshape(2, 3)
    batches = [{"id": f"clip_{n}", "x": x, "scale": scale} for n, scale in enumerate(scales)]
    brain.fit([1], batches, progressbar=False)


def trained(scales, nonfinite_batches):
    brain = small(nonfinite_batches)
    fit(brain, scales)
    return brain.modules.model.weight.detach(), brain.skipped()


# The fourth loss is finite, and so is every gradient, but not the sum of their squares.
@pytest.mark.parametrize("scale", [NAN, INF, -INF, 3e37])
def test_skipped_batches_leave_no_trace_but_in_the_count(scale, caplog):
    weight, skipped = trained([1.0, scale, 2.0, scale], "skip")
    expected, _ = trained([1.0, 2.0], "stop")
    assert torch.equal(weight, expected) and skipped == {"skipped_batches": 2}
    assert "skipped a batch whose loss or gradients are not finite: clip_1" in caplog.text


@pytest.mark.parametrize(
    "scale, message",
    [
        (NAN, "The loss is nan in the batch of clip_1. The last checkpoint is intact"),
        (INF, "The loss is -?inf in the batch of clip_1."),
        (3e37, "A gradient is not finite in the batch of clip_1.*--nonfinite_batches=skip"),
    ],
)
def test_it_stops_and_names_the_batch(scale, message):
    with pytest.raises(SERError, match=message):
        trained([1.0, scale, 2.0], "stop")


@pytest.mark.parametrize("nonfinite_batches", ["stop", "skip"])
def test_steps_that_a_scaler_leaves_out_are_counted_as_its_own(nonfinite_batches):
    brain = small(nonfinite_batches)
    # Gradients of up to 14 are finite from 2 ** 124 on; a power of two rounds nothing.
    brain.scaler = torch.GradScaler("cpu", init_scale=2.0**127)
    fit(brain, [4.0] * 5)
    assert brain.skipped() == {"steps_skipped_by_scaler": 3}
    expected, nothing = trained([4.0] * 2, "stop")
    assert torch.equal(brain.modules.model.weight, expected) and nothing == {}


def drawn(seed, epoch):
    seed_epoch(seed, epoch)
    return random.random(), np.random.rand(), torch.rand(1).item()


@pytest.fixture(autouse=True)
def untouched():
    """What other tests draw."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])
    torch.set_rng_state(before[2])


def test_the_same_whatever_ran_before():
    first = drawn(1, 2)
    torch.rand(3)
    assert drawn(1, 2) == first


@pytest.mark.parametrize("seed, epoch, rank", [(2, 2, 0), (1, 3, 0), (1, 2, 1), (2, 1, 0)])
def test_seed_epoch_and_rank_decide(seed, epoch, rank, monkeypatch):
    first = drawn(1, 2)
    monkeypatch.setattr(device, "rank", lambda: rank)
    assert not set(drawn(seed, epoch)) & set(first)


def test_a_recipe_in_the_old_shape_is_told_the_new_one():
    class OldBrain(SERBrain):
        def losses(self, predictions, batch):
            return {}

    with pytest.raises(SERError, match="OldBrain does not define compute_forward"):
        OldBrain({"encoder": torch.nn.Linear(1, 1)})

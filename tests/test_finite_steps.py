"""No step is taken along gradients that are not finite."""

import pytest
import torch

from ser_brain.errors import SERError
from ser_brain.finite_steps import FiniteBrain

NAN, INF = float("nan"), float("inf")


class Small(FiniteBrain):
    """A linear model whose loss is scaled by what the batch says."""

    def compute_forward(self, batch, stage):
        self.batch_ids = batch["id"]
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
    return brain.modules.model.weight.detach(), brain.steps_left_out()


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
        (NAN, "The loss is nan in the batch of clip_1. The last checkpoint is sound"),
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
    assert brain.steps_left_out() == {"steps_skipped_by_scaler": 3}
    expected, nothing = trained([4.0] * 2, "stop")
    assert torch.equal(brain.modules.model.weight, expected) and nothing == {}

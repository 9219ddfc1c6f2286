"""A Brain that takes no optimiser step along gradients that are not finite."""

from __future__ import annotations

import torch
from speechbrain import Stage
from torch import Tensor

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.training.optimization import OptimizerSteps

logger = get_logger(__name__)
STOP, SKIP = "stop", "skip"  # values of the setting nonfinite_batches


class NonfiniteGuard(OptimizerSteps):
    """Stops the run at a batch whose loss or gradients are not finite, or skips the batch.

    The setting ``nonfinite_batches`` decides which.
    Gradients are checked after they have been averaged over all processes, so that every
    process decides the same.

    Attributes
    ----------
    batch_ids : list of str
        Utterances of the batches since the last step.
    batches_in_step : int
        How many batches those are.
    skipped_batches, steps_skipped_by_scaler : int
        Counts of this epoch. The gradient scaler (fp16) skips steps of its own accord.
    """

    skipped_batches = steps_skipped_by_scaler = 0

    def on_stage_start(self, stage: Stage, epoch: int | None = None) -> None:
        """Reset the counts of an epoch."""
        if stage == Stage.TRAIN:
            self.batch_ids: list[str] = []
            self.batches_in_step = 0
            self.skipped_batches = 0
            self.steps_skipped_by_scaler = 0

    def note_batch(self, ids: list[str]) -> None:
        """Remember a batch until the next step."""
        self.batch_ids = [*self.batch_ids, *ids]
        self.batches_in_step += 1

    def check_loss_isfinite(self, loss: Tensor) -> None:
        """Stop at a loss that is not finite. Skipping waits for the gradients."""
        if self.hparams.nonfinite_batches == STOP and not torch.isfinite(loss):
            raise self._not_finite(f"The loss is {loss.item()}")

    def optimizers_step(self) -> bool:
        """Step if the gradients are finite; return whether a step was taken.

        A gradient scaler (fp16) checks the gradients itself: it tries larger and larger
        scales, and an overflow at too large a scale is no fault of the batch.
        """
        if self.scaler.is_enabled():
            before = self.scaler.get_scale()
            super().optimizers_step()
            # The scaler reports a skipped step only by lowering its scale.
            taken = self.scaler.get_scale() >= before
            self.steps_skipped_by_scaler += not taken
        elif taken := self._gradients_are_finite():
            super().optimizers_step()
        elif self.hparams.nonfinite_batches == STOP:
            raise self._not_finite("A gradient is not finite")
        else:
            count, ids = self.batches_in_step, ", ".join(self.batch_ids)
            self.skipped_batches += count
            what = "a batch" if count == 1 else f"{count} batches of one step"
            logger.warning(f"skipped {what} whose loss or gradients are not finite: {ids}")
            self.zero_grad(set_to_none=True)
        self.batch_ids, self.batches_in_step = [], 0
        return taken

    def skipped(self) -> dict[str, int]:
        """Name -> how many batches or steps of this epoch were skipped, where any were."""
        counts = {
            "skipped_batches": self.skipped_batches,
            "steps_skipped_by_scaler": self.steps_skipped_by_scaler,
        }
        return {name: count for name, count in counts.items() if count}

    def _gradients_are_finite(self) -> bool:
        # The total norm also overflows where every gradient is finite but their squares do not
        # add up to a finite number; clipping would then divide by infinity.
        gradients = [p.grad for p in self.modules.parameters() if p.grad is not None]
        return not gradients or bool(torch.nn.utils.get_total_norm(gradients).isfinite())

    def _not_finite(self, what: str) -> SERError:
        return SERError(
            f"{what} in the batch of {', '.join(self.batch_ids)}. The last checkpoint is "
            "intact. Lower the learning rate, check these files, or skip and count such "
            f"batches with --nonfinite_batches={SKIP}."
        )

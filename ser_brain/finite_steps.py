"""Batches whose loss or gradients are not finite: stop at the first, or skip and count them."""

from __future__ import annotations

import speechbrain as sb
import torch
from torch import Tensor

from ser_brain.errors import SERError
from ser_brain.log import get_logger

logger = get_logger(__name__)

STOP, SKIP = "stop", "skip"


class FiniteBrain(sb.Brain):
    """A Brain that takes no step along gradients that are not finite.

    Of the settings it reads ``nonfinite_batches``. Gradients are looked at when they have been
    averaged over all ranks, so that every rank decides the same.

    Attributes
    ----------
    batch_ids : list of str
        Of the batches since the last step.
    batches_in_step : int
        How many those are.
    skipped_batches : int
        In this epoch.
    steps_skipped_by_scaler : int
        Steps of this epoch that the gradient scaler (fp16) left out.
    """

    batch_ids: list[str]
    batches_in_step: int
    skipped_batches: int
    steps_skipped_by_scaler: int

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Count anew in every epoch."""
        if stage == sb.Stage.TRAIN:
            self.batch_ids, self.batches_in_step = [], 0
            self.skipped_batches = 0
            self.steps_skipped_by_scaler = 0

    def note_batch(self, ids: list[str]) -> None:
        """Remember a batch until the step that it takes part in."""
        self.batch_ids = [*self.batch_ids, *ids]
        self.batches_in_step += 1

    def check_loss_isfinite(self, loss: Tensor) -> None:
        """Stop at a loss that is not finite; to skip it, wait for its gradients."""
        if self.hparams.nonfinite_batches == STOP and not torch.isfinite(loss):
            raise self._not_finite(f"The loss is {loss.item()}")

    def optimizers_step(self) -> bool:
        """Take the step, or leave it where a gradient is not finite.

        A gradient scaler (fp16) looks at the gradients itself: it tries larger and larger
        scales, and one that is too large is no fault of the batch.

        Returns
        -------
        bool
            Whether it was taken.
        """
        if self.scaler.is_enabled():
            before = self.scaler.get_scale()
            super().optimizers_step()
            taken = self.scaler.get_scale() >= before  # the only way it tells
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

    def steps_left_out(self) -> dict[str, int]:
        """Counts of this epoch, by name, of what there was."""
        counts = {
            "skipped_batches": self.skipped_batches,
            "steps_skipped_by_scaler": self.steps_skipped_by_scaler,
        }
        return {name: count for name, count in counts.items() if count}

    def _gradients_are_finite(self) -> bool:
        """Whether their norm is: it is infinite where their squares are too large to add."""
        gradients = [p.grad for p in self.modules.parameters() if p.grad is not None]
        return not gradients or bool(torch.nn.utils.get_total_norm(gradients).isfinite())

    def _not_finite(self, what: str) -> SERError:
        return SERError(
            f"{what} in the batch of {', '.join(self.batch_ids)}. The last checkpoint is "
            "sound; lower the learning rate, look at these files, or leave such batches out "
            f"and count them: --nonfinite_batches={SKIP}."
        )

"""What the batches of one stage of an epoch add up to.

Shapes: B batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from speechbrain import Stage
from speechbrain.dataio.batch import PaddedBatch
from torch import Tensor

from ser_brain import ranks
from ser_brain.epoch_statistics import loss_statistics
from ser_brain.losses import MaskedLoss


class StageRecord:
    """Sums of the losses and, but for training, what the model said of every utterance.

    Parameters
    ----------
    stage : speechbrain.Stage
    """

    def __init__(self, stage: Stage) -> None:
        self.trains = stage == Stage.TRAIN
        self.sums: dict[str, tuple[float, int]] = {}
        self.settled: dict[str, tuple[float, int]] = {}  # the sums as of the last step
        self.rows: list[dict] = []

    def add(
        self,
        batch: PaddedBatch,
        predictions: Mapping[str, Tensor],
        losses: Mapping[str, MaskedLoss],
    ) -> None:
        """Add a batch; in training not one whose loss is not finite.

        Parameters
        ----------
        batch : PaddedBatch
            With ``id`` and ``emotion_index``.
        predictions : mapping
            Name -> tensor, (B, ...).
        losses : mapping
            Name -> loss over the labelled utterances.
        """
        means = {name: loss.mean.item() for name, loss in losses.items()}
        if not self.trains:
            self.rows += _as_rows(batch, predictions)
        elif not all(map(math.isfinite, means.values())):
            return
        for name, mean in means.items():
            total, count = self.sums.get(name, (0.0, 0))
            labelled = losses[name].count
            self.sums[name] = (total + mean * labelled, count + labelled)

    def settle(self, taken: bool) -> None:
        """Keep the batches since the last step, or drop them where no step was taken."""
        if taken:
            self.settled = dict(self.sums)
        else:
            self.sums = dict(self.settled)

    def losses(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Mean losses of all ranks, see :func:`ser_brain.epoch_statistics.loss_statistics`."""
        return loss_statistics(ranks.gather([self.sums]), weights)

    def outputs(self) -> list[dict]:
        """Of all ranks: per utterance ``id``, ``emotion_index`` and what the model said."""
        return ranks.gather(self.rows)


def _as_rows(batch: PaddedBatch, predictions: Mapping[str, Tensor]) -> list[dict]:
    columns = {name: value.float().cpu().numpy() for name, value in predictions.items()}
    columns["emotion_index"] = batch.emotion_index.cpu().numpy()
    return [
        {"id": utterance_id, **{name: column[n] for name, column in columns.items()}}
        for n, utterance_id in enumerate(batch.id)
    ]

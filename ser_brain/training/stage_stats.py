"""What the batches of one stage of an epoch add up to.

Shapes: B batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import accuracy_score, recall_score
from speechbrain import Stage
from speechbrain.dataio.batch import PaddedBatch
from torch import Tensor

from ser_brain.core.errors import SERError, bad_value
from ser_brain.models.heads import MaskedLoss
from ser_brain.training import device


def loss_statistics(
    ranks: Sequence[Mapping[str, tuple[float, int]]], weights: Mapping[str, float]
) -> dict[str, float]:
    """Mean of each loss over every labelled utterance of a stage, and their weighted sum.

    Parameters
    ----------
    ranks : sequence of mapping
        Of each rank: loss name -> (sum over its utterances, number of labelled ones). A rank
        without an utterance names no loss.
    weights : mapping
        Loss name -> weight in ``loss``.

    Returns
    -------
    dict
        ``loss``, then by name each loss for which an utterance is labelled.

    Examples
    --------
    >>> loss_statistics([{"nll": (3.0, 2)}, {"nll": (1.0, 2)}], {"nll": 2.0})
    {'loss': 2.0, 'nll': 1.0}
    """
    means = {}
    for name in weights:
        sums = [rank[name] for rank in ranks if name in rank]
        count = sum(count for _, count in sums)
        if count:
            means[name] = math.fsum(total for total, _ in sums) / count
    return {"loss": sum(weights[name] * mean for name, mean in means.items()), **means}


def class_statistics(outputs: Sequence[Mapping]) -> dict[str, float]:
    """Error rate and UAR of a set.

    Parameters
    ----------
    outputs : sequence of mapping
        Per utterance ``emotion_index`` (-1: none) and, from a model with classes,
        ``log_probabilities``.

    Returns
    -------
    dict
        ``error_rate`` and ``uar`` (recall averaged over the classes present); empty where no
        utterance has both a label and a prediction.
    """
    labelled = [o for o in outputs if "log_probabilities" in o and o["emotion_index"] >= 0]
    if not labelled:
        return {}
    true_N = [o["emotion_index"] for o in labelled]
    said_N = [o["log_probabilities"].argmax() for o in labelled]
    present = np.unique(true_N)
    return {
        "error_rate": 1.0 - float(accuracy_score(true_N, said_N)),
        "uar": float(recall_score(true_N, said_N, labels=present, average="macro")),
    }


def require_metrics(
    losses: Sequence[str],
    weights: Mapping[str, float],
    validation_metric: str,
    tasks: Sequence[str],
) -> None:
    """Check that an experiment weighs its losses and watches a metric it has.

    Raises
    ------
    SERError
        If ``loss_weights`` names other losses, or the validation metric is none that the
        experiment computes or is one that rises as the model gets better.
    """
    if set(weights) != set(losses):
        raise SERError(
            f"Bad loss_weights {dict(weights)}; this experiment's losses are: "
            f"{', '.join(losses)}."
        )
    known = ["loss", *losses, *(["error_rate"] if "emotion" in tasks else [])]
    if validation_metric not in known:
        raise bad_value("validation_metric (lower must be better)", validation_metric, known)


def watched(valid: Mapping[str, float], metric: str, epoch: int) -> float:
    """The validation metric after an epoch.

    Raises
    ------
    SERError
        If no validation utterance has the label it needs, or it is not finite.
    """
    if metric not in valid:
        raise SERError(
            f"validation_metric: {metric} has nothing to be computed on: no validation "
            "utterance has the label it needs."
        )
    if not math.isfinite(valid[metric]):
        raise SERError(
            f"After epoch {epoch} the validation {metric} is {valid[metric]}. The last "
            "checkpoint is sound; lower the learning rate."
        )
    return valid[metric]


def epoch_line(
    epoch: int,
    epochs: int,
    seconds: float,
    statistics: Mapping[str, Mapping[str, float]],
    left_out: Mapping[str, int],
) -> str:
    """How an epoch went, for the log.

    Parameters
    ----------
    epoch, epochs : int
        Which of how many, from 1.
    seconds : float
        That it took.
    statistics : mapping
        Stage -> name -> value.
    left_out : mapping
        What was left out -> how often.

    Examples
    --------
    >>> statistics = {"train": {"loss": 1.25}, "valid": {"loss": 1.5, "uar": 0.5}}
    >>> epoch_line(2, 5, 61.2, statistics, {"skipped_batches": 3}).split("; ")[2:]
    ['skipped batches: 3', '61 s, 3.1 min left']
    >>> epoch_line(2, 5, 61.2, statistics, {})
    'epoch 2/5: train loss 1.250; valid loss 1.500 uar 0.500; 61 s, 3.1 min left'
    """
    parts = [f"{stage} {format_statistics(values)}" for stage, values in statistics.items()]
    parts += [f"{what.replace('_', ' ')}: {count}" for what, count in left_out.items()]
    left_min = seconds * (epochs - epoch) / 60
    parts.append(f"{seconds:.0f} s, {left_min:.1f} min left")
    return f"epoch {epoch}/{epochs}: {'; '.join(parts)}"


def format_statistics(statistics: Mapping[str, float]) -> str:
    """Name and value, for a log line.

    Examples
    --------
    >>> format_statistics({"loss": 1.25, "uar": 0.5})
    'loss 1.250 uar 0.500'
    """
    return " ".join(f"{name} {value:.3f}" for name, value in statistics.items())


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
        """Mean losses of all ranks, see :func:`loss_statistics`."""
        return loss_statistics(device.gather([self.sums]), weights)

    def outputs(self) -> list[dict]:
        """Of all ranks: per utterance ``id``, ``emotion_index`` and what the model said."""
        return device.gather(self.rows)


def _as_rows(batch: PaddedBatch, predictions: Mapping[str, Tensor]) -> list[dict]:
    columns = {name: value.float().cpu().numpy() for name, value in predictions.items()}
    columns["emotion_index"] = batch.emotion_index.cpu().numpy()
    return [
        {"id": utterance_id, **{name: column[n] for name, column in columns.items()}}
        for n, utterance_id in enumerate(batch.id)
    ]

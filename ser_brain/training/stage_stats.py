"""Statistics of a stage (the training, validation or test part of an epoch) over its whole set.

SpeechBrain averages over batches. A mean of batch means depends on how the set was batched, and
a recall averaged over batches is no recall of the set; so losses are summed, and predictions
kept, until the stage ends.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from speechbrain import Stage
from speechbrain.dataio.batch import PaddedBatch
from torch import Tensor

from ser_brain.core.errors import SERError, bad_value
from ser_brain.data.experiment import LOSSES
from ser_brain.data.labels import NO_EMOTION
from ser_brain.evaluation.metrics import accuracy, confusion_matrix, uar
from ser_brain.models.losses import MaskedLoss, concordance
from ser_brain.training import device


class StageRecord:
    """Sums of the losses of a stage and, except in training, each utterance's predictions."""

    def __init__(self, stage: Stage) -> None:
        self.is_training = stage == Stage.TRAIN
        # Loss -> (sum, labelled utterances), or its moments where it is no mean.
        self.sums: dict[str, tuple[float, float] | np.ndarray] = {}
        self.sums_at_last_step: dict[str, tuple[float, float] | np.ndarray] = {}
        self.rows: list[dict] = []

    def add(
        self,
        batch: PaddedBatch,
        predictions: Mapping[str, Tensor],
        losses: Mapping[str, MaskedLoss],
    ) -> None:
        """Add a batch: its ``id`` and ``emotion_index``, its predictions (B, ...) and losses.

        A training batch with a loss that is not finite is not counted: it is skipped, or it
        stops the run.
        """
        means = {name: loss.mean.item() for name, loss in losses.items()}
        if not self.is_training:
            self.rows += _rows_of(batch, predictions)
        elif not all(map(math.isfinite, means.values())):
            return
        for name, mean in means.items():
            labelled, moments = losses[name].count, losses[name].moments
            if moments is not None:
                self.sums[name] = self.sums.get(name, 0.0) + moments
                continue
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + mean * labelled, count + labelled)

    @property
    def moments(self) -> dict[str, np.ndarray]:
        """Loss -> moments (7, D) of this process's utterances so far, see ``losses.ccc``."""
        return {name: sums for name, sums in self.sums.items() if not isinstance(sums, tuple)}

    def settle(self, stepped: bool) -> None:
        """Keep the batches since the last step, or drop them if the step was skipped."""
        if stepped:
            self.sums_at_last_step = dict(self.sums)
        else:
            self.sums = dict(self.sums_at_last_step)

    def losses(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Mean losses over the utterances of all processes, see :func:`loss_statistics`."""
        return loss_statistics(device.gather([self.sums]), weights)

    def outputs(self) -> list[dict]:
        """Per utterance, of all processes: ``id``, ``emotion_index`` and each prediction."""
        return device.gather(self.rows)


def _rows_of(batch: PaddedBatch, predictions: Mapping[str, Tensor]) -> list[dict]:
    columns = {name: value.float().cpu().numpy() for name, value in predictions.items()}
    columns["emotion_index"] = batch.emotion_index.cpu().numpy()
    return [
        {"id": utterance_id, **{name: column[n] for name, column in columns.items()}}
        for n, utterance_id in enumerate(batch.id)
    ]


def loss_statistics(
    processes: Sequence[Mapping[str, tuple[float, float] | np.ndarray]],
    weights: Mapping[str, float],
) -> dict[str, float]:
    """Mean of each loss over every labelled utterance of a stage, and their weighted sum.

    Parameters
    ----------
    processes : sequence of mapping
        For each process: loss -> (sum, number of labelled utterances), or moments (7, D) from
        which the loss of the whole set is computed. A process that has no utterance has no
        losses.
    weights : mapping
        Loss -> weight in ``loss``.

    Returns
    -------
    dict
        ``loss``, and each loss for which some utterance is labelled.

    Examples
    --------
    >>> loss_statistics([{"nll": (3.0, 2)}, {"nll": (1.0, 2)}], {"nll": 2.0})
    {'loss': 2.0, 'nll': 1.0}
    """
    means = {}
    for name in weights:
        sums = [process[name] for process in processes if name in process]
        if sums and isinstance(sums[0], np.ndarray):
            moments_7D = sum(sums)
            if (there_D := moments_7D[0] > 0).any():
                means[name] = float(1 - concordance(moments_7D[:6])[there_D].mean())
            continue
        count = sum(count for _, count in sums)
        if count:
            means[name] = math.fsum(total for total, _ in sums) / count
    return {"loss": sum(weights[name] * mean for name, mean in means.items()), **means}


def class_statistics(outputs: Sequence[Mapping]) -> dict[str, float]:
    """Error rate and unweighted average recall (UAR) of a set.

    Takes the outputs of :class:`StageRecord`. UAR averages over the classes that occur. Empty
    where no utterance has both a label and a prediction.
    """
    labelled = [
        o for o in outputs if "log_probabilities" in o and o["emotion_index"] != NO_EMOTION
    ]
    if not labelled:
        return {}
    true_N = np.array([o["emotion_index"] for o in labelled])
    predicted_N = np.array([o["log_probabilities"].argmax() for o in labelled])
    classes = len(labelled[0]["log_probabilities"])
    counts_CC = confusion_matrix(true_N, predicted_N, classes)
    return {"error_rate": 1.0 - float(accuracy(counts_CC)), "uar": float(uar(counts_CC))}


def require_metrics(
    losses: Sequence[str],
    weights: Mapping[str, float],
    validation_metric: str,
    tasks: Sequence[str],
) -> None:
    """Check ``loss_weights`` and ``validation_metric`` against what an experiment computes.

    Parameters
    ----------
    losses : sequence of str
        What a Brain computes, if it has losses of its own. Empty: those of its tasks
        (:data:`ser_brain.data.experiment.LOSSES`), at least one of each.
    weights : mapping
    validation_metric : str
    tasks : sequence of str

    Raises
    ------
    SERError
        If the weights name other losses or are all 0, or the metric is unknown or one that
        rises as the model improves.
    """
    groups = [[name] for name in losses] or [LOSSES[task] for task in tasks]
    strange = set(weights) - {name for group in groups for name in group}
    if strange or any(not set(group) & set(weights) for group in groups):
        named = "; ".join(", ".join(group) for group in groups)
        each = ", at least one of each group" if len(groups) > 1 else ""
        raise SERError(
            f"Bad loss_weights {dict(weights)}; this experiment's losses are: {named}{each}."
        )
    if not any(weights.values()):
        raise SERError(
            f"Bad loss_weights {dict(weights)}: with weights of 0, nothing would be trained."
        )
    known = ["loss", *weights, *(["error_rate"] if "emotion" in tasks else [])]
    if validation_metric not in known:
        raise bad_value("validation_metric (lower must be better)", validation_metric, known)


def validation_value(valid: Mapping[str, float], metric: str, epoch: int) -> float:
    """The validation metric after an epoch.

    Raises
    ------
    SERError
        If no validation utterance has the label it needs, or it is not finite.
    """
    if metric not in valid:
        raise SERError(
            f"The validation_metric {metric} cannot be computed: no validation utterance has "
            "the label it needs."
        )
    if not math.isfinite(valid[metric]):
        raise SERError(
            f"After epoch {epoch} the validation {metric} is {valid[metric]}. The last "
            "checkpoint is intact; lower the learning rate."
        )
    return valid[metric]


def epoch_line(
    epoch: int,
    epochs: int,
    seconds: float,
    statistics: Mapping[str, Mapping[str, float]],
    skipped: Mapping[str, int],
) -> str:
    """Summarise an epoch for the log.

    Parameters
    ----------
    epoch, epochs : int
        The epoch of how many; 0 is the state before the first.
    seconds : float
        Duration of the epoch.
    statistics : mapping
        Stage -> name -> value.
    skipped : mapping
        What was skipped -> how often.

    Examples
    --------
    >>> statistics = {"train": {"loss": 1.25}, "valid": {"loss": 1.5, "uar": 0.5}}
    >>> epoch_line(2, 5, 61.2, statistics, {"skipped_batches": 3}).split("; ")[2:]
    ['skipped batches: 3', '61 s, 3.1 min left']
    >>> epoch_line(2, 5, 61.2, statistics, {})
    'epoch 2/5: train loss 1.250; valid loss 1.500 uar 0.500; 61 s, 3.1 min left'
    >>> epoch_line(0, 5, 2.2, {"train": {}, "valid": {"loss": 2.0}}, {})
    'epoch 0/5: valid loss 2.000; 2 s'
    """
    parts = [
        " ".join([stage, *(f"{name} {value:.3f}" for name, value in values.items())])
        for stage, values in statistics.items()
        if values
    ]
    parts += [f"{what.replace('_', ' ')}: {count}" for what, count in skipped.items()]
    left = f", {seconds * (epochs - epoch) / 60:.1f} min left" if epoch else ""
    parts.append(f"{seconds:.0f} s{left}")
    return f"epoch {epoch}/{epochs}: {'; '.join(parts)}"

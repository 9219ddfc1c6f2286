"""Statistics of a validation set after an epoch, over the whole set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import accuracy_score, recall_score

from ser_brain.errors import SERError, bad_value


def epoch_statistics(
    outputs: Sequence[Mapping], loss_weights: Mapping[str, float]
) -> dict[str, float]:
    """Losses and metrics of a set from the model's outputs on it.

    Parameters
    ----------
    outputs : sequence of mapping
        Per utterance ``emotion_index`` (-1: none), ``target`` (NaN: none) and
        ``log_probabilities`` and/or ``valence_arousal``.
    loss_weights : mapping
        Loss name -> weight in ``loss``.

    Returns
    -------
    dict
        ``loss``; with labelled emotions ``nll``, ``error_rate`` and ``uar`` (recall averaged
        over the classes present); with labelled points ``mse`` (averaged over the two).
    """
    statistics = {**_classification(outputs), **_regression(outputs)}
    parts = [w * statistics[n] for n, w in loss_weights.items() if n in statistics]
    return {"loss": float(sum(parts)), **statistics}


def _classification(outputs: Sequence[Mapping]) -> dict[str, float]:
    labelled = [o for o in outputs if "log_probabilities" in o and o["emotion_index"] >= 0]
    if not labelled:
        return {}
    log_probs_NC = np.stack([o["log_probabilities"] for o in labelled]).astype(np.float64)
    true_N = np.array([o["emotion_index"] for o in labelled])
    said_N = log_probs_NC.argmax(axis=1)
    present = np.unique(true_N)
    return {
        "nll": float(-log_probs_NC[np.arange(len(true_N)), true_N].mean()),
        "error_rate": 1.0 - float(accuracy_score(true_N, said_N)),
        "uar": float(recall_score(true_N, said_N, labels=present, average="macro")),
    }


def _regression(outputs: Sequence[Mapping]) -> dict[str, float]:
    labelled = [o for o in outputs if "valence_arousal" in o and np.isfinite(o["target"]).all()]
    if not labelled:
        return {}
    said_N2 = np.stack([o["valence_arousal"] for o in labelled]).astype(np.float64)
    true_N2 = np.stack([o["target"] for o in labelled]).astype(np.float64)
    return {"mse": float(np.square(said_N2 - true_N2).mean())}


def require_metrics(
    losses: Sequence[str], weights: Mapping[str, float], validation_metric: str
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
    known = ["loss", *losses, *(["error_rate"] if "nll" in losses else [])]
    if validation_metric not in known:
        raise bad_value("validation_metric (lower must be better)", validation_metric, known)


def format_statistics(statistics: Mapping[str, float]) -> str:
    """Name and value, for a log line.

    Examples
    --------
    >>> format_statistics({"loss": 1.25, "uar": 0.5})
    'loss 1.250 uar 0.500'
    """
    return " ".join(f"{name} {value:.3f}" for name, value in statistics.items())

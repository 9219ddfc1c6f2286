"""Comparison: how far two models lie apart on the same utterances, and whether by luck.

No torch. Differences are B - A. Their intervals draw the same speakers for both models, which
makes them narrower than two separate intervals suggest: a hard speaker is hard for both.

Axes: N utterances, C classes, K summed statistics, X any leading axes, such as resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ser_brain import label_metrics, score_metrics, value_metrics
from ser_brain.bootstrap import interval, resample
from ser_brain.changed_answers import changed_answers
from ser_brain.metrics import LABEL_METRICS, SCORE_METRICS, VALUE_METRICS, Metric, number
from ser_brain.pairing import Pair
from ser_brain.predictions import VALENCE_AROUSAL, Predictions
from ser_brain.scoring import clusters_of_rows
from ser_brain.swap_test import note, swap_test

# The one metric of a task that is put to the test; the others are exploratory.
PRIMARY = {"emotion": "uar", "valence": "ccc", "arousal": "ccc"}


def full_name(task: str, metric: str) -> str:
    """A metric's name where the tasks of a model stand together.

    Examples
    --------
    >>> full_name("emotion", "uar"), full_name("valence", "ccc")
    ('uar', 'valence ccc')
    """
    return metric if task == "emotion" else f"{task} {metric}"


@dataclass(frozen=True)
class Task:
    """One task of both models, as statistics whose sums over utterances give every metric.

    Attributes
    ----------
    measures : dict
        Metric -> function of the sums, shape (..., K) -> (...).
    one_NK, other_NK : ndarray
    chosen_N : ndarray of bool
        The utterances of the pair that have the label of this task.
    """

    measures: dict[str, Callable[[np.ndarray], np.ndarray]]
    one_NK: np.ndarray
    other_NK: np.ndarray
    chosen_N: np.ndarray


def compare(pair: Pair, resamples: int) -> dict:
    """Compare two models on one test set.

    Parameters
    ----------
    pair : Pair
        See :func:`ser_brain.pairing.pair`.
    resamples : int
        Bootstrap resamples behind each interval.

    Returns
    -------
    dict
        ``both`` (utterances), ``predictions`` (of either model on them: more where seeds are
        pooled), ``only_a`` and ``only_b`` (predictions); ``tasks``: emotion, valence and
        arousal where both models predict it and labels are there, each with ``n`` (utterances),
        what was ``drawn``, its ``primary`` metric and ``metrics``: name -> ``a``, ``b``,
        ``difference`` (value, low, high; B - A) and ``p``; ``answers``: how many changed in
        which way and every utterance that did, None without classes.
    """
    rng = np.random.default_rng(pair.one.card["seed"])
    tasks = {
        name: _compared(name, task, pair, resamples, rng)
        for name, task in _tasks(pair).items()
        if task.chosen_N.any()
    }
    return {
        "test_set": pair.one.card["test_set"],
        "synthetic": bool(pair.one.card.get("synthetic", False)),
        "both": len(set(pair.one.utterances)),
        "predictions": len(pair.one.ids),
        "only_a": pair.only_one,
        "only_b": pair.only_other,
        "tasks": tasks,
        "answers": changed_answers(pair) if pair.classes else None,
    }


def _tasks(pair: Pair) -> dict[str, Task]:
    tasks = {}
    if pair.classes:
        tasks["emotion"] = _emotion(pair)
    if pair.values and pair.one.true_va_N2 is not None:
        for axis, name in enumerate(VALENCE_AROUSAL):
            tasks[name] = _dimension(pair, axis)
    return tasks


def _emotion(pair: Pair) -> Task:
    classes = len(pair.one.emotions)
    labelled_N = pair.one.true_N >= 0
    true_N = pair.one.true_N[labelled_N]

    def statistics(side: Predictions) -> np.ndarray:
        predicted_N, log_probs_NC = side.predicted_N[labelled_N], side.log_probs_NC[labelled_N]
        cells_NK = label_metrics.confusion_cells(true_N, predicted_N, classes)
        return np.hstack([cells_NK, score_metrics.score_statistics(true_N, log_probs_NC)])

    measures = {
        name: partial(_of_confusion if name in LABEL_METRICS else _of_scores, metric, classes)
        for name, metric in (LABEL_METRICS | SCORE_METRICS).items()
        if metric.resampled
    }
    return Task(measures, statistics(pair.one), statistics(pair.other), labelled_N)


def _of_confusion(metric: Metric, classes: int, sums_XK: np.ndarray) -> np.ndarray:
    cells = classes * classes
    return metric.function(sums_XK[..., :cells].reshape(*sums_XK.shape[:-1], classes, classes))


def _of_scores(metric: Metric, classes: int, sums_XK: np.ndarray) -> np.ndarray:
    return metric.function(sums_XK[..., classes * classes :])


def _dimension(pair: Pair, axis: int) -> Task:
    rated_N = np.isfinite(pair.one.true_va_N2[:, axis])
    true_N = pair.one.true_va_N2[rated_N, axis]
    predicted = [side.predicted_va_N2[rated_N, axis] for side in (pair.one, pair.other)]
    # Made in one call: the statistics are taken about the mean of both models' predictions, so
    # that those of a speaker fit in with the sums of either model.
    both_NK = value_metrics.value_statistics(np.tile(true_N, 2), np.concatenate(predicted))
    measures = {
        name: metric.function for name, metric in VALUE_METRICS.items() if metric.resampled
    }
    return Task(measures, both_NK[: len(true_N)], both_NK[len(true_N) :], rated_N)


def _compared(
    name: str, task: Task, pair: Pair, resamples: int, rng: np.random.Generator
) -> dict:
    clusters = clusters_of_rows(pair.one, task.chosen_N)
    width = task.one_NK.shape[1]
    sums_BK = resample(np.hstack([task.one_NK, task.other_NK]), clusters, resamples, rng)
    p_values = swap_test(task.one_NK, task.other_NK, clusters, task.measures, rng)
    metrics = {}
    for metric, measure in task.measures.items():
        one, other = (number(measure(side.sum(0))) for side in (task.one_NK, task.other_NK))
        value = low = high = None
        if one is not None and other is not None:
            apart_B = measure(sums_BK[:, width:]) - measure(sums_BK[:, :width])
            value, (low, high) = other - one, interval(apart_B, clusters.count)
        metrics[metric] = {
            "a": one,
            "b": other,
            "difference": {"value": value, "low": low, "high": high},
            "p": p_values[metric],
        }
    notes = [text for text in (clusters.note, note(clusters)) if text]
    return {
        "n": len(set(pair.one.chosen(np.flatnonzero(task.chosen_N)).utterances)),
        "drawn": {"unit": clusters.unit, "count": clusters.count, "notes": notes},
        "primary": PRIMARY[name],
        "metrics": metrics,
    }

"""Comparison: how far two models lie apart on the same utterances, and whether by luck.

No torch. Differences are B - A. Their intervals draw the same speakers for both models, which
makes them narrower than two separate intervals suggest: a hard speaker is hard for both.

Axes: N utterances, C classes, K summed statistics, X any leading axes, such as resamples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import read_json
from ser_brain.evaluation import calibration
from ser_brain.evaluation import metrics as label_metrics
from ser_brain.evaluation import metrics as value_metrics
from ser_brain.evaluation.evaluate import RESAMPLES, clusters_of_rows
from ser_brain.evaluation.metrics import (
    LABEL_METRICS,
    SCORE_METRICS,
    VALUE_METRICS,
    Metric,
    number,
)
from ser_brain.evaluation.predictions import VALENCE_AROUSAL, Predictions
from ser_brain.evaluation.runs import Run, label_runs
from ser_brain.evaluation.significance import LEVEL, holm, interval, note, resample, swap_test

# Ratings are written with a few decimals; what is nearer than this is the same.
SAME_RATING = 1e-6


@dataclass(frozen=True)
class Pair:
    """Two models on the same utterances, both sorted by id.

    Attributes
    ----------
    one, other : Predictions
        Of the utterances that both have.
    only_one, only_other : int
        How many utterances the other model lacks.
    """

    one: Predictions
    other: Predictions
    only_one: int
    only_other: int

    @property
    def classes(self) -> bool:
        """Whether both predict emotion classes."""
        return self.one.predicted_N is not None and self.other.predicted_N is not None

    @property
    def values(self) -> bool:
        """Whether both predict valence and arousal."""
        return self.one.predicted_va_N2 is not None and self.other.predicted_va_N2 is not None


def pair(one: Predictions, other: Predictions, names: tuple[str, str] = ("A", "B")) -> Pair:
    """Match the predictions of two models by id, sorted by it.

    Parameters
    ----------
    one, other : Predictions
        On test sets of one name; of folds or seeds, pooled.
    names : (str, str)
        Of the models, for the errors.

    Raises
    ------
    SERError
        If they share no id, or judge by different classes, scales or true labels.
    """
    one = one.by_id()
    place = {utterance_id: n for n, utterance_id in enumerate(other.ids)}
    of_one = [n for n, utterance_id in enumerate(one.ids) if utterance_id in place]
    name = one.card["test_set"]
    if not of_one:
        raise SERError(
            f"{names[0]} and {names[1]} share no utterance of {name} (the first ids are "
            f"{one.ids[0]} and {other.ids[0]}). Compare runs tested on the same utterances."
        )
    of_other = [place[one.ids[n]] for n in of_one]
    both = Pair(
        one.chosen(of_one),
        other.chosen(of_other),
        len(one.ids) - len(of_one),
        len(other.ids) - len(of_other),
    )
    if both.classes:
        _check_card(both, "emotions", names)
        one, other = ([row["emotion"] for row in side.rows] for side in (both.one, both.other))
        differ = [n for n, emotion in enumerate(one) if emotion != other[n]]
        _check_labels(both, "emotion", one, other, differ, names)
    if both.values:
        _check_card(both, "va_range", names)
        one_N2, other_N2 = _ratings(both.one), _ratings(both.other)
        same_N2 = np.isclose(one_N2, other_N2, rtol=0, atol=SAME_RATING, equal_nan=True)
        differ = np.flatnonzero(~same_N2.all(1))
        _check_labels(both, "valence and arousal", one_N2, other_N2, differ, names)
    return both


def _check_card(both: Pair, key: str, names: tuple[str, str]) -> None:
    one, other = (list(side.card[key]) for side in (both.one, both.other))
    if one != other:
        raise SERError(
            f"{names[0]} and {names[1]} cannot be compared on {both.one.card['test_set']}: "
            f"{key} is {one} for the one and {other} for the other."
        )


def _ratings(predictions: Predictions) -> np.ndarray:
    if predictions.true_va_N2 is None:
        return np.full((len(predictions.ids), 2), np.nan)
    return predictions.true_va_N2


def _check_labels(
    both: Pair,
    what: str,
    one: Sequence,
    other: Sequence,
    differ: Sequence[int],
    names: tuple[str, str],
) -> None:
    if len(differ):
        n = differ[0]
        sources = [side.rows[n].get("label_source") for side in (both.one, both.other)]
        raise SERError(
            f"The true {what} of {len(differ):,} of {len(one):,} utterances of "
            f"{both.one.card['test_set']} differs between {names[0]} and {names[1]} "
            f"({both.one.ids[n]}: {one[n]} from {sources[0]}, {other[n]} from {sources[1]}). "
            "Evaluate both on the same labels."
        )


LOST, WON = "right to wrong", "wrong to right"
STILL_WRONG, UNLABELLED = "wrong to another wrong", "changed, no label"
KINDS = (LOST, WON, STILL_WRONG, UNLABELLED)


def changed_answers(pair: Pair) -> dict:
    """List the utterances that the second model answers otherwise than the first.

    Returns
    -------
    dict
        ``same`` (how many answers are), ``counts`` (kind of change -> how many) and
        ``changed``: id, speaker, true emotion, both answers and the kind of change, in the
        order of the test set.
    """
    true_N = pair.one.true_N
    one_N, other_N = pair.one.predicted_N, pair.other.predicted_N
    changed = []
    for n in np.flatnonzero(one_N != other_N):
        row = pair.one.rows[n]
        changed.append(
            {
                "id": pair.one.ids[n],
                "speaker": row.get("speaker"),
                "emotion": row["emotion"],
                "a": pair.one.emotions[one_N[n]],
                "b": pair.one.emotions[other_N[n]],
                "change": _change(true_N[n], one_N[n], other_N[n]),
            }
        )
    counts = Counter(line["change"] for line in changed)
    return {
        "same": len(true_N) - len(changed),
        "counts": {kind: counts[kind] for kind in KINDS},
        "changed": changed,
    }


def _change(true: int, one: int, other: int) -> str:
    if true < 0:
        return UNLABELLED
    if one == true:
        return LOST
    return WON if other == true else STILL_WRONG


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
        See :func:`ser_brain.evaluation.compare.pair`.
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
        return np.hstack([cells_NK, calibration.score_statistics(true_N, log_probs_NC)])

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


# Role of a test set that holds utterances a model was trained on.
SEEN = "train"


def compare_runs(
    one: Run, other: Run, test_sets: Sequence[str] | None = None, resamples: int = RESAMPLES
) -> dict:
    """Compare two runs, B with A.

    Parameters
    ----------
    one, other : Run
        A and B; folds or seeds of a run are pooled.
    test_sets : sequence of str, optional
        All that both have where None.
    resamples : int

    Returns
    -------
    dict
        ``a`` and ``b``: label, folder, experiment, protocol, parts; ``notes`` on what else
        differs between them; ``not_shared``: test sets that only one has; ``test_sets``: name
        -> see :func:`compare`. Primary metrics have ``p_holm`` too,
        corrected for all of them on all test sets.

    Raises
    ------
    SERError
        If they share no test set or no task on any, or one that is asked for is not shared.
    """
    shared = [name for name in one.test_sets if name in other.test_sets]
    not_shared = sorted((one.test_sets.keys() | other.test_sets.keys()) - set(shared))
    if not shared:
        raise SERError(
            f"{one.folder} ({', '.join(one.test_sets)}) and {other.folder} "
            f"({', '.join(other.test_sets)}) share no test set."
        )
    for name in test_sets or ():
        if name not in shared:
            raise bad_value("test set", name, shared)
    found = {
        name: compare(pair(one.pooled(name), other.pooled(name)), resamples)
        for name in test_sets or shared
    }
    if not any(result["tasks"] for result in found.values()):
        raise SERError(
            f"{one.folder} and {other.folder} predict nothing that could be compared: one must "
            "predict what the other does, and the labels must be there."
        )
    correct_primaries(list(found.values()))
    labels = label_runs([one, other])
    seen = [
        f"{label} was trained on utterances of {name}."
        for name in found
        for run, label in zip((one, other), labels, strict=True)
        if run.pooled(name).card["role"] == SEEN
    ]
    left_out = [
        f"{name} of {label} is left out: {why}."
        for run, label in zip((one, other), labels, strict=True)
        for name, why in run.incomplete.items()
    ]
    return {
        "a": run_facts(one, labels[0]),
        "b": run_facts(other, labels[1]),
        "notes": [*training_notes(one, other), *seen, *left_out],
        "not_shared": not_shared,
        "bootstrap": {"resamples": resamples, "level": LEVEL},
        "test_sets": found,
    }


def run_facts(run: Run, label: str) -> dict:
    """What a comparison says of a run."""
    return {
        "label": label,
        "folder": str(run.folder),
        "experiment": run.first.card["experiment"],
        "protocol": run.protocol,
        "parts": list(run.parts),
        "incomplete": run.incomplete,
    }


def correct_primaries(comparisons: Sequence[dict]) -> None:
    """Give every primary metric a ``p_holm``, corrected for all of these comparisons."""
    primaries = [
        task["metrics"][task["primary"]]
        for comparison in comparisons
        for task in comparison["tasks"].values()
    ]
    for metric, p in zip(primaries, holm([m["p"] for m in primaries]), strict=True):
        metric["p_holm"] = p


def training_notes(one: Run, other: Run) -> list[str]:
    """What differs between two runs besides the model: protocol, parts, training data."""
    notes = []
    if one.protocol != other.protocol:
        notes.append(
            "The protocols differ: a difference between the models may come from that."
        )
    if list(one.parts) != list(other.parts):
        parts = [", ".join(run.parts) for run in (one, other)]
        return [*notes, f"The parts differ: {parts[0]}; and {parts[1]}."]
    trained = [{name: _trained_on(p) for name, p in run.parts.items()} for run in (one, other)]
    known = [name for name in one.parts if None not in (trained[0][name], trained[1][name])]
    if len(known) < len(one.parts):
        return [*notes, "Not every part has a splits.json: training data cannot be compared."]
    differ = [
        f"{name}: {len(trained[0][name] - trained[1][name]):,} only in A, "
        f"{len(trained[1][name] - trained[0][name]):,} only in B"
        for name in known
        if trained[0][name] != trained[1][name]
    ]
    if differ:
        return [*notes, f"They were trained on different utterances ({'; '.join(differ)})."]
    return [*notes, "Both were trained on the same utterances."]


def _trained_on(folder: Path) -> set[str] | None:
    """Ids of the training utterances of a run; None where nobody can tell."""
    path = folder / "splits.json"
    if not path.is_file():
        return None
    ids = read_json(path, "split").get("train")
    return set(ids) if isinstance(ids, list) else None

"""Comparisons: how far two models differ on the same utterances, and whether by chance.

Differences are B - A. Their intervals resample the same speakers for both models, which makes
them narrower than two separate intervals suggest: a hard speaker is hard for both.

Axes: N utterances, C classes, K summed statistics, X any leading axes, such as resamples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import SPLITS, read_json
from ser_brain.data.labels import DIMENSIONS, NO_ANSWER, listed
from ser_brain.evaluation.evaluate import RESAMPLES, clusters_of_rows
from ser_brain.evaluation.metrics import (
    VALUE_METRICS,
    Metric,
    class_metrics,
    class_summands,
    number,
    value_statistics,
)
from ser_brain.evaluation.predictions import LabelledPredictions
from ser_brain.evaluation.runs import Run, label_runs
from ser_brain.evaluation.significance import (
    LEVEL,
    holm,
    interval,
    paired_permutation_test,
    permutation_note,
    resample,
)

SEEN = "train"  # role of a test set with utterances that a model was trained on
SAME_RATING = 1e-6  # ratings are written with a few decimals; closer ones are equal

# The one metric of a task that is tested; the others are exploratory.
PRIMARY = {"emotion": "uar", **dict.fromkeys(DIMENSIONS, "ccc")}

LOST, WON = "right to wrong", "wrong to right"
STILL_WRONG, UNLABELLED = "wrong to another wrong", "changed, no label"
KINDS = (LOST, WON, STILL_WRONG, UNLABELLED)


def compare_runs(
    one: Run, other: Run, test_sets: Sequence[str] | None = None, resamples: int = RESAMPLES
) -> dict:
    """Compare two runs, B with A, on some test sets or all that both have.

    Keys of the result: ``a`` and ``b``: label, folder, experiment, protocol, parts; ``notes``
    on other differences between them; ``not_shared``: test sets that only one has;
    ``test_sets``: name -> see :func:`compare_predictions`. Primary metrics also have
    ``p_holm``, corrected for all of them on all test sets.

    If no test set has the same name in both, those with common utterances are compared on
    these, such as a part of a corpus with the whole; their name is that of A and that of B.
    """
    shared = _shared_sets(one, other)
    for name in test_sets or ():
        if name not in shared:
            raise bad_value("test set", name, list(shared))
    chosen = {name: shared[name] for name in test_sets or shared}
    found = {}
    for name, (of_one, of_other) in chosen.items():
        pair = pair_predictions(one.pooled(of_one), other.pooled(of_other))
        found[name] = {**compare_predictions(pair, resamples), "test_set": name}
    if not any(result["tasks"] for result in found.values()):
        raise SERError(
            f"{one.folder} and {other.folder} have nothing to compare. Both must predict "
            "classes, or both a dimension like valence, and the test set must have the labels."
        )
    correct_primaries(list(found.values()))
    labels = label_runs([one, other])
    labelled = list(zip((one, other), labels, strict=True))
    notes = training_notes(one, other)
    notes += [
        f"No test set has the same name in both: {of_one} of A is compared with {of_other} of "
        "B on the utterances that both have."
        for of_one, of_other in chosen.values()
        if of_one != of_other
    ]
    notes += [
        f"{label} was trained on utterances of {name}."
        for names in chosen.values()
        for (run, label), name in zip(labelled, names, strict=True)
        if run.pooled(name).card["role"] == SEEN
    ]
    notes += [
        f"{name} of {label} is excluded: {why}."
        for run, label in labelled
        for name, why in run.incomplete.items()
    ]
    return {
        "a": run_facts(one, labels[0]),
        "b": run_facts(other, labels[1]),
        "notes": notes,
        "not_shared": sorted(
            (one.test_sets.keys() | other.test_sets.keys()) - set(chain(*shared.values()))
        ),
        "bootstrap": {"resamples": resamples, "level": LEVEL},
        "test_sets": found,
    }


def _shared_sets(one: Run, other: Run) -> dict[str, tuple[str, str]]:
    """What to compare: name -> the test sets of A and of B; see :func:`compare_runs`."""
    found = {name: (name, name) for name in one.test_sets if name in other.test_sets}
    if found:
        return found
    ids = {name: set(other.pooled(name).ids) for name in other.test_sets}
    for name in one.test_sets:
        own = set(one.pooled(name).ids)
        most = max(ids, key=lambda each: len(own & ids[each]))
        if own & ids[most]:
            found[f"{name} / {most}"] = name, most
    if not found:
        raise SERError(
            f"{one.folder} ({', '.join(one.test_sets)}) and {other.folder} "
            f"({', '.join(other.test_sets)}) share no test set: neither a name nor an "
            "utterance. Test both on the same corpus, with ser evaluate --on."
        )
    return found


def run_facts(run: Run, label: str) -> dict:
    """The description of a run in a comparison."""
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
    """Other differences between two runs than the model: protocol, parts, training data."""
    notes = []
    if one.protocol != other.protocol:
        notes.append("The protocols differ, which may explain a difference between the models.")
    if list(one.parts) != list(other.parts):
        parts = [", ".join(run.parts) for run in (one, other)]
        return [*notes, f"The parts differ: {parts[0]}; and {parts[1]}."]
    trained = [{name: _trained_on(p) for name, p in run.parts.items()} for run in (one, other)]
    if any(None in of_parts.values() for of_parts in trained):
        note = "Not every part has a splits.json, so training data cannot be compared."
        return [*notes, note]
    differ = [
        f"{name}: {len(a - b):,} only in A, {len(b - a):,} only in B"
        for name, a, b in zip(one.parts, *(t.values() for t in trained), strict=True)
        if a != b
    ]
    if differ:
        return [*notes, f"They were trained on different utterances ({'; '.join(differ)})."]
    return [*notes, "Both were trained on the same utterances."]


def _trained_on(folder: Path) -> set[str] | None:
    """Ids of the training utterances of a run; None where they are unknown."""
    path = folder / SPLITS
    ids = read_json(path, "split").get("train") if path.is_file() else None
    return set(ids) if isinstance(ids, list) else None


@dataclass(frozen=True)
class PairedPredictions:
    """Two models on the same utterances, sorted by id, and how many others each one has."""

    one: LabelledPredictions
    other: LabelledPredictions
    only_one: int
    only_other: int

    @property
    def classes(self) -> bool:
        """Whether both predict emotion classes."""
        return self.one.predicted_N is not None and self.other.predicted_N is not None

    @property
    def dimensions(self) -> list[str]:
        """What both predict of valence, arousal and dominance."""
        sides = self.one, self.other
        return [
            name
            for name in DIMENSIONS
            if all(side.predicted(name) is not None for side in sides)
        ]


def pair_predictions(
    one: LabelledPredictions, other: LabelledPredictions, names: tuple[str, str] = ("A", "B")
) -> PairedPredictions:
    """Match the predictions of two models on a test set by id; of folds or seeds, pooled.

    Raises
    ------
    SERError
        With the ``names`` of the models, if they share no id, or their classes, scales or true
        labels differ.
    """
    one = one.by_id()
    place = {utterance_id: n for n, utterance_id in enumerate(other.ids)}
    of_one = [n for n, utterance_id in enumerate(one.ids) if utterance_id in place]
    if not of_one:
        raise SERError(
            f"{names[0]} and {names[1]} share no utterance of {one.card['test_set']} (first "
            f"ids: {one.ids[0]} and {other.ids[0]}). Compare runs tested on the same "
            "utterances, such as those of ser folds, which tests on all."
        )
    both = PairedPredictions(
        one.chosen(of_one),
        other.chosen([place[one.ids[n]] for n in of_one]),
        len(one.ids) - len(of_one),
        len(other.ids) - len(of_one),
    )
    if both.classes:
        together = {**dict.fromkeys(one.emotions), **dict.fromkeys(other.emotions)}
        together = sorted(together, key=NO_ANSWER.__eq__)  # last
        both = replace(
            both, one=both.one.with_classes(together), other=both.other.with_classes(together)
        )
    sides = both.one, both.other
    if both.classes:
        emotions = [np.array([row["emotion"] for row in side.rows], object) for side in sides]
        differ_N = emotions[0] != emotions[1]
        _require_same(both, "emotions", "emotion", emotions, differ_N, names)
    if shared := both.dimensions:
        ratings = [np.stack([s.rated(name) for name in shared], axis=1) for s in sides]
        same_NV = np.isclose(*ratings, rtol=0, atol=SAME_RATING, equal_nan=True)
        differ_N = ~same_NV.all(axis=1)
        _require_same(both, "va_range", listed(shared), ratings, differ_N, names)
    return both


def _require_same(
    both: PairedPredictions,
    key: str,
    what: str,
    labels: Sequence[np.ndarray],
    differ_N: np.ndarray,
    names: tuple[str, str],
) -> None:
    """Stop if the models differ in an entry of their cards or in the true labels."""
    test_set = both.one.card["test_set"]
    one, other = (list(side.card[key]) for side in (both.one, both.other))
    if one != other:
        raise SERError(
            f"{names[0]} and {names[1]} cannot be compared on {test_set}: "
            f"{key} is {one} for the first and {other} for the second."
        )
    if differ_N.any():
        n = int(np.flatnonzero(differ_N)[0])
        first, second = (
            f"{of_side[n]} from {side.rows[n].get('label_source')}"
            for of_side, side in zip(labels, (both.one, both.other), strict=True)
        )
        raise SERError(
            f"The true {what} of {differ_N.sum():,} of {len(differ_N):,} utterances of "
            f"{test_set} differs between {names[0]} and {names[1]} "
            f"({both.one.ids[n]}: {first}, {second}). Evaluate both on the same labels."
        )


def compare_predictions(pair: PairedPredictions, resamples: int) -> dict:
    """Compare two models on one test set.

    Keys of the result: ``both`` (utterances), ``predictions`` (of either model on them: more
    where seeds are pooled), ``only_a`` and ``only_b`` (predictions); ``tasks``: emotion,
    valence ... where both models predict it and there are labels, each with ``n``
    (utterances), ``drawn`` (what is resampled), its ``primary`` metric and ``metrics``: name ->
    ``a``, ``b``, ``difference`` (value, low, high; B - A) and ``p``; ``answers``: see
    :func:`changed_answers`, None without classes.
    """
    one, other = pair.one, pair.other
    rng = np.random.default_rng(one.card["seed"])
    tasks = {}
    labelled_N = one.true_N >= 0
    if pair.classes and labelled_N.any():
        true_N = one.true_N[labelled_N]
        classes, scored = len(one.emotions), one.is_scored and other.is_scored
        named = classes - (NO_ANSWER in one.emotions)
        sides = [
            class_summands(
                *(true_N, side.predicted_N[labelled_N], classes),
                *([side.log_probs_NC[labelled_N]] if scored else ()),
            )
            for side in (one, other)
        ]
        table = class_metrics(classes, scored, named)
        tasks["emotion"] = _compare_task(one, labelled_N, table, sides, resamples, rng)
    for name in pair.dimensions:
        rated_N = np.isfinite(one.rated(name))
        if rated_N.any():
            true_N = one.rated(name)[rated_N]
            predicted = [side.predicted(name)[rated_N] for side in (one, other)]
            # One call for both models: the statistics are centred on the mean of both models'
            # predictions, so that the sums of a speaker can be swapped between the models.
            sides = np.split(value_statistics(np.tile(true_N, 2), np.concatenate(predicted)), 2)
            tasks[name] = _compare_task(one, rated_N, VALUE_METRICS, sides, resamples, rng)
    return {
        "test_set": one.card["test_set"],
        "synthetic": bool(one.card.get("synthetic", False)),
        "both": len(set(one.utterances)),
        "predictions": len(one.ids),
        "only_a": pair.only_one,
        "only_b": pair.only_other,
        "tasks": tasks,
        "answers": changed_answers(pair) if pair.classes else None,
    }


def _compare_task(
    predictions: LabelledPredictions,
    chosen_N: np.ndarray,
    table: Mapping[str, Metric],
    sides: Sequence[np.ndarray],
    resamples: int,
    rng: np.random.Generator,
) -> dict:
    """``chosen_N``: utterances with a label; ``sides``: their statistics under either model."""
    clusters = clusters_of_rows(predictions, chosen_N)
    width = sides[0].shape[1]
    # Side by side, so that one draw of speakers serves both models.
    sums_BK = resample(np.hstack(sides), clusters, resamples, rng)
    measures = {metric: m.function for metric, m in table.items() if m.resampled}
    p_values = paired_permutation_test(*sides, clusters, measures, rng)
    metrics = {}
    for metric, measure in measures.items():
        one, other = (number(measure(side_NK.sum(0))) for side_NK in sides)
        value = low = high = None
        if one is not None and other is not None:
            difference_B = measure(sums_BK[:, width:]) - measure(sums_BK[:, :width])
            value, (low, high) = other - one, interval(difference_B, clusters.count)
        difference = {"value": value, "low": low, "high": high}
        p = p_values[metric]
        metrics[metric] = {"a": one, "b": other, "difference": difference, "p": p}
    notes = [text for text in (clusters.note, permutation_note(clusters)) if text]
    return {
        "n": len(set(predictions.chosen(np.flatnonzero(chosen_N)).utterances)),
        "drawn": {"unit": clusters.unit, "count": clusters.count, "notes": notes},
        "primary": next(metric for metric in metrics if metric in PRIMARY.values()),
        "metrics": metrics,
    }


def changed_answers(pair: PairedPredictions) -> dict:
    """List the utterances to which the second model gives another answer than the first.

    ``same`` (number of equal answers), ``counts`` (kind of change -> number) and ``changed``:
    id, speaker, true emotion, both answers and the kind of change.
    """
    true_N, emotions = pair.one.true_N, pair.one.emotions
    one_N, other_N = pair.one.predicted_N, pair.other.predicted_N
    changed = []
    for n in np.flatnonzero(one_N != other_N):
        kind = STILL_WRONG
        if true_N[n] < 0:
            kind = UNLABELLED
        elif true_N[n] in (one_N[n], other_N[n]):
            kind = LOST if one_N[n] == true_N[n] else WON
        row = pair.one.rows[n]
        changed.append(
            {
                "id": pair.one.ids[n],
                "speaker": row.get("speaker"),
                "emotion": row["emotion"],
                "a": emotions[one_N[n]],
                "b": emotions[other_N[n]],
                "change": kind,
            }
        )
    counts = Counter(line["change"] for line in changed)
    return {
        "same": len(true_N) - len(changed),
        "counts": {kind: counts[kind] for kind in KINDS},
        "changed": changed,
    }


def full_name(task: str, metric: str) -> str:
    """A metric's name where several tasks appear together: ``uar``, ``valence ccc``."""
    return metric if task == "emotion" else f"{task} {metric}"

"""Cross-corpus matrix: every model on every test set, the best of a row, and tests.

The layout is that of study 1's table 5.5 (rows are test sets), with intervals and a paired
test. Models are tested against the first one, which is chosen before the results are seen.
Tested against the best, which is chosen by the results, too many models would differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from ser_brain.evaluation.compare import (
    PRIMARY,
    SEEN,
    compare_predictions,
    correct_primaries,
    full_name,
    pair_predictions,
    run_facts,
)
from ser_brain.evaluation.evaluate import RESAMPLES, Scored, score
from ser_brain.evaluation.metrics import of_dimensions
from ser_brain.evaluation.predictions import LabelledPredictions
from ser_brain.evaluation.runs import ADAPTED, FOLDS, Run, label_runs, read_run
from ser_brain.evaluation.significance import LEVEL, interval

SHOWN = ("wa", "uar", "macro_f1", *of_dimensions("ccc"))
TESTED = {full_name(task, metric): (task, metric) for task, metric in PRIMARY.items()}
DECIMALS = 3  # values that look the same in a table are equally good
AS_TRAINED, ADAPTED_TO = "as trained", "adapted to its unlabelled clips"


def cross(
    runs: Sequence[Run], resamples: int = RESAMPLES, labels: Sequence[str] | None = None
) -> dict:
    """Evaluate every run on every test set that it predicted, and test it against the first.

    The runs are named by :func:`ser_brain.evaluation.runs.label_runs`, if not by ``labels``.

    Keys of the result: ``models``: label -> folder, protocol, ...; ``metrics``: those that any
    model has; ``test_sets``: name -> ``synthetic``, ``same_utterances`` (for all models),
    ``chance`` and ``cells``: label -> role, utterances, speakers, metrics, ``best`` (metrics in
    which no other model is better; never of a model that was trained on the set) and
    ``against_first``: tested metric -> ``n``, ``drawn``, ``difference`` to the first model,
    ``p`` and ``p_holm``, corrected for all tests of the matrix. ``mean``: label -> metric ->
    value, low and high of the mean over the test sets that every model predicted unseen, if
    they are several; the sets are resampled independently.
    """
    labels = labels or label_runs(runs)
    by_label = dict(zip(labels, runs, strict=True))
    names = list(dict.fromkeys(name for run in runs for name in run.test_sets))
    test_sets, comparisons, draws = {}, {}, {}
    for name in names:
        judged = {
            label: run.pooled(name) for label, run in by_label.items() if name in run.test_sets
        }
        test_sets[name], compared, draws[name] = _row(judged, labels[0], resamples)
        comparisons |= {(name, label): found for label, found in compared.items()}
    correct_primaries(list(comparisons.values()))
    for (name, label), comparison in comparisons.items():
        test_sets[name]["cells"][label]["against_first"] = _tested(comparison)
    cells = [cell for row in test_sets.values() for cell in row["cells"].values()]
    known = {metric for cell in cells for metric in cell["metrics"]}
    return {
        "models": {label: run_facts(run, label) for label, run in by_label.items()},
        "metrics": [metric for metric in SHOWN if metric in known],
        "bootstrap": {"resamples": resamples, "level": LEVEL},
        "tests": sum(len(comparison["tasks"]) for comparison in comparisons.values()),
        "test_sets": test_sets,
        "mean": _means(test_sets, draws, labels),
    }


def cross_adapted(run: Run, resamples: int = RESAMPLES) -> dict | None:
    """UAR of a run beside that of heads that its test clips adapted; None where there is none.

    As :func:`cross`, of the models :data:`AS_TRAINED` and :data:`ADAPTED_TO`. Neither is
    ``best``, since only the second has used test clips.
    """
    folder = run.folder / ADAPTED
    if not ((folder / FOLDS).is_file() or any(folder.glob("predictions/*.card.json"))):
        return None
    both = [_of_classes(each) for each in (run, read_run(folder))]
    matrix = cross(both, resamples, (AS_TRAINED, ADAPTED_TO))
    if "uar" not in matrix["metrics"]:
        return None
    for row in matrix["test_sets"].values():
        for cell in row["cells"].values():
            cell["best"] = []
    return {**matrix, "metrics": ["uar"]}


def _of_classes(run: Run) -> Run:
    """A run without predicted values, which adaptation leaves as they are."""
    return replace(
        run,
        test_sets={
            name: {part: replace(p, predicted_values_NV=None) for part, p in parts.items()}
            for name, parts in run.test_sets.items()
        },
    )


def _means(
    test_sets: Mapping[str, dict], draws: Mapping[str, dict], labels: Sequence[str]
) -> dict[str, dict]:
    """Model -> metric -> the mean over test sets that no model lacks or has seen."""
    common = [
        name
        for name, row in test_sets.items()
        if len(row["cells"]) == len(labels)
        and all(cell["role"] != SEEN for cell in row["cells"].values())
    ]
    means: dict[str, dict] = {label: {} for label in labels}
    for label in labels if len(common) > 1 else ():
        cells = [test_sets[name]["cells"][label]["metrics"] for name in common]
        for metric in set.intersection(*map(set, cells)):
            value = float(np.mean([cell[metric]["value"] for cell in cells]))
            of_sets = [draws[name][label].get(metric, (np.empty(0), 0)) for name in common]
            low = high = None
            if all(len(drawn_B) for drawn_B, _ in of_sets):
                # The sets were drawn from the same seed; their draws are paired at random.
                rng = np.random.default_rng(0)
                mean_B = np.mean([rng.permutation(drawn_B) for drawn_B, _ in of_sets], axis=0)
                low, high = interval(mean_B, min(count for _, count in of_sets))
            means[label][metric] = {
                **{"value": value, "low": low, "high": high},
                "test_sets": common,
            }
    return means


def _row(
    judged: Mapping[str, LabelledPredictions], first: str, resamples: int
) -> tuple[dict, dict[str, dict], dict[str, dict]]:
    """All models on one test set, the comparisons of them with the first, and the draws."""
    ids = {label: set(predictions.ids) for label, predictions in judged.items()}
    scored = {
        label: score(each, resamples, np.random.default_rng(each.card["seed"]))
        for label, each in judged.items()
    }
    cells = {label: _cell(each, scored[label]) for label, each in judged.items()}
    comparisons = {}
    # All pairs, so that models judged by different labels are an error even if not tested.
    for one, other in combinations(judged, 2):
        if ids[one] & ids[other]:
            pair = pair_predictions(judged[one], judged[other], (one, other))
            if one == first and SEEN not in (cells[one]["role"], cells[other]["role"]):
                comparisons[other] = compare_predictions(pair, resamples)
    same = all(found == ids[next(iter(judged))] for found in ids.values())
    if same:
        _mark_best(cells)
    classes = {cell["classes_present"] for cell in cells.values()} - {0}
    row = {
        "synthetic": any(bool(p.card.get("synthetic")) for p in judged.values()),
        "same_utterances": same,
        "chance": [1 / count for count in sorted(classes, reverse=True)],
        "cells": cells,
    }
    return row, comparisons, {label: each.draws for label, each in scored.items()}


def _cell(predictions: LabelledPredictions, scored: Scored) -> dict:
    values = scored.metrics()
    classification = scored.classification or {"classes_present": 0, "confusion": None}
    return {
        "role": predictions.card["role"],
        "protocol": predictions.card["protocol"],
        "utterances": len(set(predictions.utterances)),
        "speakers": len(predictions.speakers),
        "classes_present": classification["classes_present"],
        "emotions": predictions.emotions,
        "confusion": classification["confusion"],
        "metrics": {
            metric: values[metric]
            for metric in SHOWN
            if metric in values and values[metric]["value"] is not None
        },
        "notes": scored.notes,
        "best": [],
        "against_first": {},
    }


def _mark_best(cells: Mapping[str, dict]) -> None:
    unseen = [cell for cell in cells.values() if cell["role"] != SEEN]
    for metric in SHOWN:
        rivals = [cell for cell in unseen if metric in cell["metrics"]]
        values = [round(cell["metrics"][metric]["value"], DECIMALS) for cell in rivals]
        for cell, value in zip(rivals, values, strict=True):
            if len(rivals) > 1 and value == max(values):
                cell["best"].append(metric)


def _tested(comparison: Mapping) -> dict[str, dict]:
    """The primary metrics of a comparison with the first model."""
    tasks = comparison["tasks"]
    return {
        name: {"n": tasks[task]["n"], "drawn": tasks[task]["drawn"]}
        | tasks[task]["metrics"][metric]
        for name, (task, metric) in TESTED.items()
        if task in tasks
    }

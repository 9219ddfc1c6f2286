"""Robustness: what conditions change of a model's answers to the same clips.

Differences are condition - clean, paired by utterance; intervals resample whole speakers.

Axes: N utterances, C classes, B resamples, K statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ser_brain.data.labels import stated
from ser_brain.evaluation.compare import PRIMARY, PairedPredictions, pair_predictions
from ser_brain.evaluation.evaluate import RESAMPLES, clusters_of_rows, score, subgroup_metrics
from ser_brain.evaluation.predictions import LabelledPredictions
from ser_brain.evaluation.runs import read_run
from ser_brain.evaluation.significance import LEVEL, interval, resample

CLEAN = "clean"
# Lowest values that audEERING's ser-tests let pass, under the one condition that is theirs and
# ours (Derington et al. 2023, arXiv:2312.06270; test/*/robustness_background_noise.yaml at
# github.com/audeering/ser-tests, commit 641e204).
THEIRS = "white noise", 20
LEAST_CHANGE, LEAST_SAME = -0.05, 0.9
NOT_OF_GROUPS = "speaker"  # the extremes of many people are far apart by chance


def robustness(folders: Sequence[Path], resamples: int = RESAMPLES) -> dict:
    """Compare the predictions under each condition with those of the clean clips.

    Parameters
    ----------
    folders : sequence of Path
        Of the clean predictions, then of each condition.
    resamples : int

    Returns
    -------
    dict
        ``model``, ``bootstrap``; ``test_sets``: name -> ``utterances``, ``synthetic``,
        ``notes`` on intervals, ``clean`` (metric -> value, low, high), ``conditions`` (each its
        name, distortion, strength, unit, ``metrics``, ``change`` of each metric, and as
        ``answers`` the share that stays, the drop of the true class's probability, and the
        mean change of each dimension), ``gaps`` between groups of speakers, and ``published``,
        tests with thresholds that others published (``test``, ``least``, value, ``passed``).
    """
    clean, *others = (read_run(folder) for folder in folders)
    found = {}
    # Of an earlier run that was stopped, not every folder has every test set.
    for name in (n for n in clean.test_sets if all(n in o.test_sets for o in others)):
        reference = clean.pooled(name).by_id()
        seed = reference.card["seed"]
        scored = score(reference, resamples, np.random.default_rng(seed))
        groups = subgroup_metrics(reference, resamples, np.random.default_rng(seed))
        conditions = [_condition(reference, other.pooled(name), resamples) for other in others]
        found[name] = {
            "utterances": len(reference.ids),
            "speakers": len(reference.speakers),
            "synthetic": bool(reference.card.get("synthetic")),
            "protocol": reference.card["protocol"],
            "notes": [note for note in scored.notes if note],
            "emotions": reference.emotions,
            **stated(reference.dimensions),
            "clean": _known(_primary(scored.metrics())),
            "conditions": conditions,
            "published": _published(conditions),
            "gaps": {
                grouping: _primary(result["gaps"])
                for grouping, result in groups.items()
                if grouping != NOT_OF_GROUPS
            },
        }
    model = clean.first.card["experiment"]
    bootstrap = {"resamples": resamples, "level": LEVEL}
    return {"model": model, "bootstrap": bootstrap, "test_sets": found}


def _primary(metrics: dict) -> dict:
    return {name: m for name, m in metrics.items() if name.split()[-1] in PRIMARY.values()}


def _known(metrics: dict) -> dict:
    return {name: m for name, m in metrics.items() if m["value"] is not None}


def _condition(
    clean: LabelledPredictions, changed: LabelledPredictions, resamples: int
) -> dict:
    pair = pair_predictions(clean, changed, (CLEAN, changed.card["condition"]["name"]))
    seed = clean.card["seed"]
    # The same seed draws the same speakers for both, so the difference of draws is paired.
    sides = [
        score(side, resamples, np.random.default_rng(seed)) for side in (pair.one, pair.other)
    ]
    metrics = [_primary(side.metrics()) for side in sides]
    change = {}
    for name in metrics[0]:
        one, other = (side[name]["value"] for side in metrics)
        change[name] = {"value": None, "low": None, "high": None}
        if one is not None and other is not None:
            (one_B, count), (other_B, _) = (side.draws[name] for side in sides)
            low, high = interval(other_B - one_B, count)
            change[name] = {"value": other - one, "low": low, "high": high}
    card = changed.card["condition"]
    answers = _answers(pair, resamples)
    return {**card, "metrics": metrics[1], "change": change, "answers": answers}


def _published(conditions: Sequence[dict]) -> list[dict]:
    """Each published test of a change or of the share of same answers: does it pass?"""
    found = []
    for each in conditions:
        if (each["distortion"], each["strength"]) != THEIRS:
            continue
        tested = [(f"{m}, change", LEAST_CHANGE, c) for m, c in each["change"].items()]
        if "same" in each["answers"]:
            tested.append(("same answers", LEAST_SAME, each["answers"]["same"]))
        for test, least, measured in tested:
            if (value := measured["value"]) is not None:
                found.append(
                    {"test": test, "least": least, **measured, "passed": value >= least}
                )
    return found


def _answers(pair: PairedPredictions, resamples: int) -> dict[str, dict]:
    """Means over utterances with their intervals; of those for which each is known."""
    one, other = pair.one, pair.other
    columns = {}
    if pair.classes:
        columns["same"] = (one.predicted_N == other.predicted_N).astype(float)
        if one.is_scored and other.is_scored:
            true_N = one.true_N
            places = np.arange(len(true_N)), true_N
            drop_N = np.exp(one.log_probs_NC[places]) - np.exp(other.log_probs_NC[places])
            columns["drop"] = np.where(true_N >= 0, drop_N, np.nan)
    for name in pair.dimensions:
        columns[name] = other.predicted(name) - one.predicted(name)
    return {name: _mean(one, values_N, resamples) for name, values_N in columns.items()}


def _mean(predictions: LabelledPredictions, values_N: np.ndarray, resamples: int) -> dict:
    known_N = np.isfinite(values_N)
    if not known_N.any():
        return {"value": None, "low": None, "high": None}
    values_N = values_N[known_N]
    clusters = clusters_of_rows(predictions, known_N)
    statistics_N2 = np.stack([values_N, np.ones(len(values_N))], axis=1)
    rng = np.random.default_rng(predictions.card["seed"])
    sums_B2 = resample(statistics_N2, clusters, resamples, rng)
    low, high = interval(sums_B2[:, 0] / sums_B2[:, 1], clusters.count)
    return {"value": float(values_N.mean()), "low": low, "high": high}

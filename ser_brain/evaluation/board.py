"""The board: many models on the test sets that they share, ranked, with a group of the best.

Only models that answered the same utterances with the same true classes stand in one column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ser_brain.data.corpora import is_of
from ser_brain.data.experiment import Protocol
from ser_brain.data.labels import NO_ANSWER
from ser_brain.evaluation.compare import (
    PRIMARY,
    SEEN,
    compare_predictions,
    full_name,
    pair_predictions,
    run_facts,
)
from ser_brain.evaluation.crosscorpus import DECIMALS
from ser_brain.evaluation.evaluate import RESAMPLES, score, subgroup_metrics
from ser_brain.evaluation.metrics import (
    macro_f1,
    of_dimensions,
    uar,
)
from ser_brain.evaluation.predictions import LabelledPredictions
from ser_brain.evaluation.runs import Run, averaged, label_runs
from ser_brain.evaluation.significance import ALPHA, LEVEL, holm

SHOWN = ("uar", "macro_f1", *of_dimensions("ccc"))
RANKED = {full_name(task, metric): (task, metric) for task, metric in PRIMARY.items()}
GAPS_BETWEEN = ("gender", "language", "age", "accent")
SAME_CORPUS = "same corpus"  # tested on other utterances of a corpus that it was trained on
AVERAGED = "Several models predicted each utterance; the scores are those of their ensemble."
CHANCE, MAJORITY = "Chance", "Majority class"


@dataclass
class Column:
    """One test set, and every model that was judged on the same utterances and classes."""

    test_set: str  # its name, of which models may have others for the same utterances
    utterances: frozenset  # (id, label source)
    truth: frozenset | None  # (utterance, class or None); None while no model tells classes
    judged: dict[str, LabelledPredictions] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)

    def takes(self, label: str, utterances: frozenset, truth: frozenset | None) -> bool:
        alike = None in (self.truth, truth) or self.truth == truth
        return label not in self.judged and alike and self.utterances == utterances


def board(runs: Sequence[Run], resamples: int = RESAMPLES) -> dict:
    """Evaluate every run on every test set that it predicted, and rank the runs.

    Keys of the result: ``models``: label -> folder, protocol, encoder, ``trained_on`` (corpora;
    None where nobody says), ``adapted`` (to how many unlabelled clips of a test set; [] if it
    is not) ...; ``test_sets``: column -> ``test_set``, ``synthetic``,
    ``utterances``, ``speakers``, ``emotions`` (those that occur), ``cells``, ``baselines`` and
    ``ranking``.

    A cell has ``role`` (test, train, or "same corpus"), ``metrics``, ``calibration`` (NLL and
    ECE, as answered and with the model's ``temperature``, if it has one), ``gaps``: gender,
    language, age or accent -> metric -> gap, and ``notes``.

    ``ranking``: tested metric -> ``best``; ``ranks``; ``top``, the models that do not differ
    from the best; and ``p_holm`` of the others against the best, corrected for these tests. A
    model that has seen the test set has no rank.
    """
    labels = label_runs(runs)
    columns = _columns(dict(zip(labels, runs, strict=True)))
    test_sets = {name: _column(each, resamples) for name, each in columns.items()}
    return {
        "models": {label: _model(run, label) for label, run in zip(labels, runs, strict=True)},
        "metrics": [
            metric
            for metric in SHOWN
            if any(
                metric in cell["metrics"]
                for c in test_sets.values()
                for cell in c["cells"].values()
            )
        ],
        "bootstrap": {"resamples": resamples, "level": LEVEL},
        "test_sets": test_sets,
    }


def _columns(runs: Mapping[str, Run]) -> dict[str, Column]:
    found: list[Column] = []
    for label, run in runs.items():
        for test_set in run.test_sets:
            pooled = run.pooled(test_set)
            predictions = averaged(pooled)
            if predictions is not pooled:
                notes = " ".join(filter(None, [pooled.card.get("notes"), AVERAGED]))
                predictions = replace(predictions, card={**pooled.card, "notes": notes})
            sources = (row.get("label_source") for row in predictions.rows)
            utterances = frozenset(zip(predictions.utterances, sources, strict=True))
            truth = _truth(predictions)
            fit = (c for c in found if c.takes(label, utterances, truth))
            column = next(fit, None)
            if column is None:
                column = Column(test_set, utterances, truth)
                found.append(column)
            column.truth = column.truth or truth
            column.judged[label] = _on_unit_scale(predictions)
            column.roles[label] = _role(run.test_sets[test_set].values())
    named: dict[str, Column] = {}
    for column in found:
        name = column.test_set
        if [c.test_set for c in found].count(name) > 1:
            classes = len({emotion for _, emotion in column.truth or ()} - {None})
            name = f"{name}, {len(column.utterances):,} clips, {classes} classes"
        alike = sum(each.startswith(name) for each in named)
        named[f"{name} ({alike + 1})" if name in named else name] = column
    return named


def _truth(predictions: LabelledPredictions) -> frozenset | None:
    """Utterances with their class, as far as the model knows it; None without classes."""
    if predictions.predicted_N is None:
        return None
    names = [predictions.emotions[n] if n >= 0 else None for n in predictions.true_N]
    return frozenset(zip(predictions.utterances, names, strict=True))


def _on_unit_scale(predictions: LabelledPredictions) -> LabelledPredictions:
    """The same on a scale from -1 to 1, since models differ in theirs; CCC stays the same."""
    low, high = predictions.card["va_range"]
    names = "true_values_NV", "predicted_values_NV"
    values = {name: getattr(predictions, name) for name in names}
    return replace(
        predictions,
        card={**predictions.card, "va_range": [-1.0, 1.0]},
        **{
            name: None if v is None else 2 * (v - low) / (high - low) - 1
            for name, v in values.items()
        },
    )


def _model(run: Run, label: str) -> dict:
    parts = [p for of_parts in run.test_sets.values() for p in of_parts.values()]
    known = [_trained_on(part.card) for part in parts]
    return {
        **run_facts(run, label),
        "encoder": run.first.card.get("encoder"),
        "emotions": [emotion for emotion in run.first.emotions if emotion != NO_ANSWER],
        "trained_on": None if None in known else list(dict.fromkeys(sum(known, []))),
        "adapted": sorted({p.card["adapted"]["clips"] for p in parts if "adapted" in p.card}),
    }


def _trained_on(card: Mapping) -> list[str] | None:
    """Corpora of training; None for a published model or answers, which do not say."""
    if "model" in card:
        return [*card["model"].get("training_data", {}).get("corpora", {})] or None
    return None if "answers" in card else [*Protocol.of(card).corpora]


def _role(parts: Iterable[LabelledPredictions]) -> str:
    """How a model knows a test set. Each part may have been trained on other corpora."""
    found = set()
    for part in parts:
        corpora = {row["corpus"] for row in part.rows if row.get("corpus")}
        trained = _trained_on(part.card) or ()
        if part.card["role"] == SEEN or not any(is_of(each, trained) for each in corpora):
            found.add(part.card["role"])
        else:
            # Of an exported model nobody knows which utterances of the corpus it has seen.
            found.add(SEEN if "model" in part.card else SAME_CORPUS)
    return next(role for role in (SEEN, SAME_CORPUS, *found) if role in found)


def _column(column: Column, resamples: int) -> dict:
    judged = column.judged
    first = next(iter(judged.values()))
    cells = {label: _cell(p, column.roles[label], resamples) for label, p in judged.items()}
    counted = next((p for p in judged.values() if p.predicted_N is not None), None)
    counts = {} if counted is None else _class_counts(counted)
    return {
        "test_set": column.test_set,
        "synthetic": any(bool(p.card.get("synthetic")) for p in judged.values()),
        "utterances": len(column.utterances),
        "speakers": len(first.speakers),
        "emotions": counts,
        "cells": cells,
        "baselines": _baselines(counts, cells),
        "ranking": {
            metric: ranked
            for metric in RANKED
            if (ranked := _ranking(judged, cells, metric)) is not None
        },
    }


def _cell(predictions: LabelledPredictions, role: str, resamples: int) -> dict:
    rng = np.random.default_rng(predictions.card["seed"])
    scored = score(predictions.by_id(), resamples, rng)
    groups = subgroup_metrics(predictions.by_id(), resamples, rng, GAPS_BETWEEN)
    metrics, classes = scored.metrics(), scored.classification
    calibration = {}
    if classes:
        answered = {"answered": classes, "scaled": classes.get("calibrated")}
        calibration = {
            f"{metric}, {how}": of["metrics"][metric]
            for metric in ("nll", "ece")
            for how, of in answered.items()
            if of and of["metrics"][metric]["value"] is not None
        }
        if scaled := answered["scaled"]:
            calibration["temperature"] = scaled["temperature"]
    return {
        "role": role,
        "protocol": predictions.card["protocol"],
        "metrics": _known(metrics),
        "calibration": calibration,
        "gaps": {key: _known(group["gaps"]) for key, group in groups.items()},
        "notes": [*filter(None, [predictions.card.get("notes"), *scored.notes])],
    }


def _known(metrics: Mapping[str, Mapping]) -> dict[str, Mapping]:
    return {m: metrics[m] for m in SHOWN if m in metrics and metrics[m]["value"] is not None}


def _class_counts(predictions: LabelledPredictions) -> dict[str, int]:
    true_N = predictions.true_N[predictions.true_N >= 0]
    counts = np.bincount(true_N, minlength=len(predictions.emotions))
    named = zip(predictions.emotions, counts.tolist(), strict=True)
    return {emotion: count for emotion, count in named if count}


def _baselines(counts: Mapping[str, int], cells: Mapping[str, dict]) -> dict[str, dict]:
    """What needs no model, from the labels: any class at random; always the most frequent one.

    Of values, the mean value, whose CCC is 0.
    """
    found: dict[str, dict] = {CHANCE: {}, MAJORITY: {}}
    if counts:
        count_C = np.array([*counts.values()], float)
        classes = len(count_C)
        guesses = {
            CHANCE: np.full(classes, 1 / classes),
            MAJORITY: np.eye(classes)[count_C.argmax()],
        }
        for name, share_C in guesses.items():
            expected_CC = np.outer(count_C, share_C)  # confusion matrix
            found[name]["uar"] = float(uar(expected_CC))
            found[name]["macro_f1"] = float(macro_f1(expected_CC))
        found[CHANCE]["nll, answered"] = math.log(classes)
    for metric in of_dimensions("ccc"):
        if any(metric in cell["metrics"] for cell in cells.values()):
            found[MAJORITY][metric] = 0.0
    return found


def _ranking(
    judged: Mapping[str, LabelledPredictions], cells: Mapping[str, dict], metric: str
) -> dict | None:
    """Ranks, and the tests against the best, of models that have not seen the test set.

    The best is picked by its result, which favours it. The tests are two-sided, though none
    can be better than the best, which makes up for it.
    """
    values = {
        label: round(cell["metrics"][metric]["value"], DECIMALS)
        for label, cell in cells.items()
        if cell["role"] != SEEN and metric in cell["metrics"]
    }
    if not values:
        return None
    best = max(values, key=lambda label: cells[label]["metrics"][metric]["value"])
    task, name = RANKED[metric]
    p_values = {}
    for label in (each for each in values if each != best):
        pair = pair_predictions(judged[best], judged[label], (best, label))
        compared = compare_predictions(pair, resamples=0)["tasks"][task]
        p_values[label] = compared["metrics"][name]["p"]
    corrected = dict(zip(p_values, holm([*p_values.values()]), strict=True))
    top = [label for label, p in corrected.items() if p is None or p >= ALPHA]
    return {
        "best": best,
        "ranks": {
            label: 1 + sum(other > value for other in values.values())
            for label, value in values.items()
        },
        "top": [best, *top],
        "p_holm": corrected,
    }

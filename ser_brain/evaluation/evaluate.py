"""Evaluation: what the predictions on a test set are worth, with intervals. No torch.

Every number is taken over a whole set, never averaged over batches. The results are plain
JSON types; what is undefined is None.

Axes: N utterances.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ser_brain.data.splits import absence
from ser_brain.evaluation import calibration
from ser_brain.evaluation import metrics as label_metrics
from ser_brain.evaluation import metrics as value_metrics
from ser_brain.evaluation.metrics import (
    LABEL_METRICS,
    SCORE_METRICS,
    VALUE_METRICS,
    Metric,
    confusion_matrix,
    number,
    per_class,
)
from ser_brain.evaluation.predictions import VALENCE_AROUSAL, Predictions
from ser_brain.evaluation.runs import Run
from ser_brain.evaluation.significance import LEVEL, Clusters, clusters_of, interval, resample


@dataclass
class Scores:
    """What :func:`score` finds.

    Attributes
    ----------
    classification : dict or None
        None for a regression model.
    regression : dict or None
        Dimension -> results; None for a classification model.
    draws : dict
        Metric (``uar``, ``valence ccc``) -> its value on every resample.
    clusters : dict
        Metric -> how many speakers (or utterances) were drawn from.
    """

    classification: dict | None = None
    regression: dict | None = None
    draws: dict[str, np.ndarray] = field(default_factory=dict)
    clusters: dict[str, int] = field(default_factory=dict)

    def values(self) -> dict[str, dict]:
        """Metric -> ``{"value", "low", "high"}``, with keys as in ``draws``."""
        found = dict(self.classification["metrics"]) if self.classification else {}
        for dimension, result in (self.regression or {}).items():
            found |= {f"{dimension} {name}": m for name, m in result["metrics"].items()}
        return found


def score(predictions: Predictions, resamples: int, rng: np.random.Generator) -> Scores:
    """Score predictions, each task on the utterances that carry its label.

    Parameters
    ----------
    predictions : Predictions
    resamples : int
    rng : numpy.random.Generator
    """
    scores, predictions = Scores(), predictions.by_id()
    if predictions.log_probs_NC is not None:
        scores.classification = _classification(predictions, resamples, rng, scores)
    if predictions.predicted_va_N2 is not None:
        scores.regression = {
            name: _dimension(predictions, axis, resamples, rng, scores)
            for axis, name in enumerate(VALENCE_AROUSAL)
        }
    return scores


def _classification(
    predictions: Predictions, resamples: int, rng: np.random.Generator, scores: Scores
) -> dict:
    classes = len(predictions.emotions)
    labelled_N = predictions.true_N >= 0
    true_N, predicted_N = predictions.true_N[labelled_N], predictions.predicted_N[labelled_N]
    log_probs = [predictions.log_probs_NC[labelled_N]]
    if predictions.temperature_N is not None:
        log_probs.append(predictions.calibrated_NC[labelled_N])
    statistics = [label_metrics.confusion_cells(true_N, predicted_N, classes)]
    statistics += [calibration.score_statistics(true_N, each_NC) for each_NC in log_probs]
    clusters = clusters_of_rows(predictions, labelled_N)
    sums_BK = resample(np.hstack(statistics), clusters, resamples, rng)
    ends = np.cumsum([each_NK.shape[1] for each_NK in statistics])
    cells_BK, *scored = np.split(sums_BK, ends[:-1], axis=1)
    confusion_CC = confusion_matrix(true_N, predicted_N, classes)
    confusion_BCC = cells_BK.reshape(-1, classes, classes)
    metrics, draws = _measure(LABEL_METRICS, confusion_CC, confusion_BCC, (), clusters)
    (more, more_draws), *calibrated = [
        _measure(SCORE_METRICS, each_NK.sum(0), each_BK, (true_N, each_NC), clusters)
        for each_NK, each_BK, each_NC in zip(statistics[1:], scored, log_probs, strict=True)
    ]
    scores.draws.update(draws | more_draws)
    scores.clusters.update(dict.fromkeys(draws | more_draws, clusters.count))
    result = {
        "n": len(true_N),
        "classes_present": int((confusion_CC.sum(1) > 0).sum()),
        "metrics": metrics | more,
        "per_class": _plain(per_class(confusion_CC, predictions.emotions)),
        "confusion": confusion_CC.tolist(),
        "drawn": _drawn(clusters),
    }
    if calibrated:
        temperature = _ends(predictions.temperature_N)
        result["calibrated"] = {"temperature": temperature, "metrics": calibrated[0][0]}
    return result


def _plain(lines: list[dict]) -> list[dict]:
    return [
        {key: number(v) if isinstance(v, float) else v for key, v in line.items()}
        for line in lines
    ]


def _ends(temperature_N: np.ndarray) -> float | list[float]:
    """The temperature, or the lowest and highest of the parts'."""
    low, high = float(temperature_N.min()), float(temperature_N.max())
    return low if low == high else [low, high]


def _dimension(
    predictions: Predictions,
    axis: int,
    resamples: int,
    rng: np.random.Generator,
    scores: Scores,
) -> dict:
    all_true_N = np.full(len(predictions.ids), np.nan)
    if predictions.true_va_N2 is not None:
        all_true_N = predictions.true_va_N2[:, axis]
    rated_N = np.isfinite(all_true_N)
    true_N, predicted_N = all_true_N[rated_N], predictions.predicted_va_N2[rated_N, axis]
    clusters = clusters_of_rows(predictions, rated_N)
    statistics_NK = value_metrics.value_statistics(true_N, predicted_N)
    sums_BK = resample(statistics_NK, clusters, resamples, rng)
    utterances = (true_N, predicted_N)
    metrics, draws = _measure(
        VALUE_METRICS, statistics_NK.sum(0), sums_BK, utterances, clusters
    )
    for name, estimates_B in draws.items():
        scores.draws[f"{VALENCE_AROUSAL[axis]} {name}"] = estimates_B
        scores.clusters[f"{VALENCE_AROUSAL[axis]} {name}"] = clusters.count
    low, high = predictions.card["va_range"]
    return {
        "n": len(true_N),
        "outside_range": int(((true_N < low) | (true_N > high)).sum()),
        "metrics": metrics,
        "unit_scale_metrics": {
            name: _scaled(metrics[name], (2 / (high - low)) ** metric.unit_power)
            for name, metric in VALUE_METRICS.items()
            if metric.unit_power
        },
        "drawn": _drawn(clusters),
    }


def _measure(
    table: Mapping[str, Metric],
    sums: np.ndarray,
    resampled_sums: np.ndarray,
    utterances: tuple,
    clusters: Clusters,
) -> tuple[dict[str, dict], dict[str, np.ndarray]]:
    """Every metric of a table with its interval, and the values on the resamples."""
    results, draws = {}, {}
    for name, metric in table.items():
        low = high = None
        if metric.resampled:
            value = number(metric.function(sums))
            draws[name] = np.asarray(metric.function(resampled_sums))
            if value is not None:
                low, high = interval(draws[name], clusters.count)
        else:
            value = number(metric.function(*utterances))
        results[name] = {"value": value, "low": low, "high": high}
    return results, draws


def _scaled(result: Mapping[str, float | None], factor: float) -> dict[str, float | None]:
    return {key: None if value is None else value * factor for key, value in result.items()}


def clusters_of_rows(predictions: Predictions, chosen_N: np.ndarray) -> Clusters:
    """What is drawn of some predictions: speakers, or else utterances.

    Where folds or seeds are pooled, the predictions of all models on an utterance are one unit.

    Parameters
    ----------
    predictions : Predictions
    chosen_N : ndarray of bool
    """
    chosen = predictions.chosen(np.flatnonzero(chosen_N))
    return clusters_of([row.get("speaker") for row in chosen.rows], chosen.utterances)


def _drawn(clusters: Clusters) -> dict:
    return {"unit": clusters.unit, "count": clusters.count, "note": clusters.note}


GROUPED_BY = ("gender", "language", "corpus", "speaker")
NO_INTERVAL = {"low": None, "high": None}


def compare_groups(
    predictions: Predictions, resamples: int, rng: np.random.Generator
) -> dict[str, dict]:
    """Score each gender, language, corpus and speaker of a test set, and compare them.

    Returns
    -------
    dict
        Grouping -> ``levels`` (name -> utterances, speakers, classes and metrics), ``unknown``
        (utterances without this fact) and ``gaps`` (metric -> highest and lowest group, the
        gap and its interval, the groups drawn independently). Only groupings with two groups
        or more. Of several groups the two extremes are compared, which makes their gap look
        larger than that of two groups picked beforehand. The interval of a single speaker
        draws utterances; it says nothing of other speakers, so that a group of one speaker and
        a gap to one have none.
    """
    found = {}
    for key in GROUPED_BY:
        members = _members(predictions, key)
        unknown = len(members.pop(None, ()))
        if len(members) < 2:
            continue
        parts = {name: predictions.chosen(members[name]) for name in sorted(members)}
        scores = {name: score(part, resamples, rng) for name, part in parts.items()}
        found[key] = {
            "levels": {name: _level(part, scores[name], key) for name, part in parts.items()},
            "unknown": unknown,
            "gaps": _gaps(scores, {name for name, part in parts.items() if _one_voice(part)}),
        }
    return found


def _members(predictions: Predictions, key: str) -> dict[str | None, list[int]]:
    """Group -> places of its utterances; None holds those without this fact."""
    members = defaultdict(list)
    for place, row in enumerate(predictions.rows):
        fact = row.get(key)
        members[None if fact is None else str(fact)].append(place)
    return members


def _level(part: Predictions, scores: Scores, key: str) -> dict:
    level = {
        "utterances": len(set(part.utterances)),
        "speakers": len({row.get("speaker") for row in part.rows} - {None}),
        "metrics": scores.values(),
    }
    if key != "speaker" and _one_voice(part):
        level["metrics"] = {m: {**v, **NO_INTERVAL} for m, v in level["metrics"].items()}
    if key == "speaker":
        genders = {row.get("gender") for row in part.rows}
        level["gender"] = genders.pop() if len(genders) == 1 else None
    if scores.classification:
        level["classes_present"] = scores.classification["classes_present"]
    if scores.classification and key != "speaker":
        level["per_class"] = scores.classification["per_class"]
    return level


def _one_voice(part: Predictions) -> bool:
    speakers = {row.get("speaker") for row in part.rows}
    return len(speakers) == 1 and None not in speakers


def _gaps(scores: dict[str, Scores], single: set[str]) -> dict[str, dict]:
    gaps = {}
    values = {name: found.values() for name, found in scores.items()}
    for metric in next(iter(values.values())):
        ranked = sorted(
            (found[metric]["value"], name)
            for name, found in values.items()
            if found[metric]["value"] is not None
        )
        if len(ranked) < 2:
            continue
        (low_value, lowest), (high_value, highest) = ranked[0], ranked[-1]
        gap = {"highest": highest, "lowest": lowest, "value": high_value - low_value}
        gaps[metric] = gap | NO_INTERVAL
        if metric in scores[highest].draws and single.isdisjoint((highest, lowest)):
            apart_B = scores[highest].draws[metric] - scores[lowest].draws[metric]
            clusters = min(scores[name].clusters[metric] for name in (highest, lowest))
            gaps[metric]["low"], gaps[metric]["high"] = interval(apart_B, clusters)
    return gaps


RESAMPLES = 1000
CARD_FACTS = (
    "test_set",
    "role",
    "protocol",
    "experiment",
    "seed",
    "encoder",
    "notes",
    "emotions",
)


def evaluate(predictions: Predictions, seed: int, resamples: int = RESAMPLES) -> dict:
    """Judge the predictions on one test set.

    Parameters
    ----------
    predictions : Predictions
    seed : int
        Of the bootstrap: the same seed gives the same intervals.
    resamples : int

    Returns
    -------
    dict
        test_set, role, kind, the card's facts, ``counts``, ``classification`` and
        ``regression`` (each None where the model does not predict it), ``groups``,
        ``interval_notes`` and ``absent`` (what classes without an utterance mean). A metric
        is ``{"value", "low", "high"}``. Where a temperature is known, ``classification`` has
        ``calibrated``: it, and the metrics after scaling.
    """
    predictions = predictions.by_id()
    card, rng = predictions.card, np.random.default_rng(seed)
    scores = score(predictions, resamples, rng)
    kind = "multiobjective"
    if scores.regression is None:
        kind = "classification"
    elif scores.classification is None:
        kind = "regression"
    return {
        **{key: card.get(key) for key in CARD_FACTS},
        "va_range": list(card["va_range"]),
        "synthetic": bool(card.get("synthetic", False)),
        "kind": kind,
        "counts": _counts(predictions),
        "bootstrap": {"resamples": resamples, "seed": seed, "level": LEVEL},
        "interval_notes": _interval_notes(scores),
        "absent": _absent(card["test_set"], scores),
        "classification": scores.classification,
        "regression": scores.regression,
        "groups": compare_groups(predictions, resamples, rng),
    }


def evaluate_run(run: Run, resamples: int = RESAMPLES) -> dict:
    """Evaluate a run on each of its test sets, with the bootstrap seed of its card.

    Returns
    -------
    dict
        ``{"run": its record, "incomplete": {name: why it is left out}, "test_sets": {name:
        evaluation}}``. Where the run has several
        parts (folds, seeds) their predictions are pooled, and each evaluation has ``parts``:
        part -> metric -> value, and ``spread``: metric -> mean and standard deviation (n - 1)
        over the parts.
    """
    evaluations = {}
    for name, parts in run.test_sets.items():
        pooled = run.pooled(name)
        evaluations[name] = evaluate(pooled, pooled.card["seed"], resamples)
        if len(run.parts) > 1:
            evaluations[name] |= _over_parts(parts)
    return {"run": run.record, "incomplete": run.incomplete, "test_sets": evaluations}


def _over_parts(parts: Mapping[str, Predictions]) -> dict:
    """Each part by itself, and how far they lie apart."""
    rng = np.random.default_rng(0)  # Draws nothing: values only.
    values = {}
    for name, part in parts.items():
        scores = score(part, 0, rng)
        values[name] = {metric: found["value"] for metric, found in scores.values().items()}
    spread = {}
    for metric in next(iter(values.values())):
        known = [found[metric] for found in values.values() if found[metric] is not None]
        spread[metric] = {
            "mean": float(np.mean(known)) if known else None,
            "std": float(np.std(known, ddof=1)) if len(known) > 1 else None,
            "parts": len(known),
        }
    return {"parts": values, "spread": spread}


def _counts(predictions: Predictions) -> dict:
    # Several models may predict one utterance; it is counted once.
    rows = list(dict(zip(predictions.utterances, predictions.rows, strict=True)).values())
    speakers = [row.get("speaker") for row in rows]
    durations = [row["duration"] for row in rows if row.get("duration") is not None]
    emotions = _tally(row["emotion"] for row in rows if row["emotion"] is not None)
    inside = {name: count for name, count in emotions.items() if name in predictions.emotions}
    rated = {name: sum(row.get(name) is not None for row in rows) for name in VALENCE_AROUSAL}
    return {
        "predictions": len(predictions.rows),
        "utterances": len(rows),
        "speakers": len(set(speakers) - {None}),
        "without_speaker": sum(speaker is None for speaker in speakers),
        "duration_s": float(sum(durations)),
        "without_duration": len(rows) - len(durations),
        "with_emotion": sum(inside.values()),
        "without_emotion": len(rows) - sum(emotions.values()),
        "outside_classes": {e: count for e, count in emotions.items() if e not in inside},
        "with_valence": rated["valence"],
        "with_arousal": rated["arousal"],
        "languages": _tally(row.get("language") for row in rows),
        "label_sources": _tally(row.get("label_source") for row in rows),
    }


def _interval_notes(scores: Scores) -> list[str]:
    """Why the intervals of a set should be read with care; each reason once."""
    parts = [scores.classification, *(scores.regression or {}).values()]
    notes = [part["drawn"]["note"] for part in parts if part and part["n"]]
    return list(dict.fromkeys(note for note in notes if note))


def _absent(test_set: str, scores: Scores) -> list[str]:
    """That some classes have no utterance, in words; nothing where none is labelled."""
    found = scores.classification
    lines = found["per_class"] if found and found["n"] else []
    absent = [line["emotion"] for line in lines if not line["support"]]
    return [absence(test_set, absent)] if absent else []


def _tally(values: Iterable[str | None]) -> dict[str, int]:
    """How often each value occurs; null counts as ``none``."""
    counts = Counter("none" if value is None else str(value) for value in values)
    return dict(sorted(counts.items()))

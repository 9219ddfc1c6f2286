"""Evaluation: every metric of the predictions on a test set, with intervals.

Every number is computed over a whole set, never averaged over batches. The results are plain
JSON types; what is undefined is None.

Axes: N utterances, C classes, B resamples, K summed statistics.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ser_brain.data.labels import NO_ANSWER, stated
from ser_brain.data.splits import absence
from ser_brain.evaluation.metrics import (
    SCORE_METRICS,
    VALUE_METRICS,
    Metric,
    class_metrics,
    class_summands,
    confusion_matrix,
    number,
    per_class,
    value_statistics,
)
from ser_brain.evaluation.predictions import LabelledPredictions
from ser_brain.evaluation.runs import Run
from ser_brain.evaluation.significance import (
    FEWEST_FOR_INTERVAL,
    LEVEL,
    Clusters,
    clusters_of,
    interval,
    resample,
)

RESAMPLES = 1000
SAME = 1e-4  # between predictions that differ by rounding
GROUPED_BY = ("gender", "language", "corpus", "speaker", "age", "accent")
AGES = ((30, "under 30"), (50, "30 to 49"), (np.inf, "50 and older"))  # years below, group
NO_INTERVAL = {"low": None, "high": None}
CARD_KEYS = (
    "test_set",
    "role",
    "protocol",
    "experiment",
    "seed",
    "encoder",
    "notes",
    "emotions",
)


def evaluate_run(run: Run, resamples: int = RESAMPLES) -> dict:
    """Evaluate a run on each of its test sets, with the bootstrap seed of its card.

    ``run``: its record; ``incomplete``: test set -> why it is excluded; ``test_sets``: name ->
    see :func:`evaluate`. Predictions of several parts (folds, seeds) are pooled, and each
    evaluation also has ``parts``: part -> metric -> value, ``repeats``: the parts that predict
    what an earlier one does, and ``spread``: metric -> mean and standard deviation (n - 1) over
    the others.
    """
    evaluations = {}
    for name, parts in run.test_sets.items():
        pooled = run.pooled(name)
        evaluations[name] = evaluate(pooled, pooled.card["seed"], resamples)
        if len(run.parts) > 1:
            evaluations[name] |= _over_parts(parts)
    return {"run": run.record, "incomplete": run.incomplete, "test_sets": evaluations}


def _over_parts(parts: Mapping[str, LabelledPredictions]) -> dict:
    rng = np.random.default_rng(0)  # not used: no resamples
    values = {
        name: {metric: m["value"] for metric, m in score(part, 0, rng).metrics().items()}
        for name, part in parts.items()
    }
    repeats = _repeats(parts)
    distinct = [found for name, found in values.items() if name not in repeats]
    spread = {}
    for metric in distinct[0]:
        known = [found[metric] for found in distinct if found[metric] is not None]
        spread[metric] = {
            "mean": float(np.mean(known)) if known else None,
            "std": float(np.std(known, ddof=1)) if len(known) > 1 else None,
            "parts": len(known),
        }
    return {"parts": values, "repeats": repeats, "spread": spread}


def _repeats(parts: Mapping[str, LabelledPredictions]) -> list[str]:
    """Parts with the predictions of an earlier one: of models that no seed has changed."""
    earlier: dict[tuple, list[LabelledPredictions]] = defaultdict(list)
    found = []
    for name, part in parts.items():
        part = part.by_id()
        like = earlier[tuple(part.ids)]
        if any(_predict_alike(part, other) for other in like):
            found.append(name)
        else:
            like.append(part)
    return found


def _predict_alike(one: LabelledPredictions, other: LabelledPredictions) -> bool:
    for name in ("predicted_N", "log_probs_NC", "predicted_values_NV"):
        a, b = getattr(one, name), getattr(other, name)
        if (a is None) != (b is None):
            return False
        if a is not None and not np.allclose(a, b, rtol=0, atol=SAME, equal_nan=True):
            return False
    return True


def evaluate(predictions: LabelledPredictions, seed: int, resamples: int = RESAMPLES) -> dict:
    """Evaluate the predictions on one test set; the same seed gives the same intervals.

    Keys of the result: test_set, role, kind, other facts of the card, ``counts``,
    ``classification`` and ``regression`` (each None where the model does not predict it),
    ``groups``, ``interval_notes`` and ``absent`` (warnings about classes without an utterance).
    A metric is ``{"value", "low", "high"}``. Where a temperature is known, ``classification``
    has ``calibrated``: the temperature, and the metrics after scaling.
    """
    predictions = predictions.by_id()
    card, rng = predictions.card, np.random.default_rng(seed)
    scored = score(predictions, resamples, rng)
    kind = "classification" if scored.classification else "regression"
    if scored.classification and scored.regression:
        kind = "multiobjective"
    return {
        **{key: card.get(key) for key in CARD_KEYS},
        "va_range": list(card["va_range"]),
        **stated(predictions.dimensions),
        "synthetic": bool(card.get("synthetic", False)),
        "kind": kind,
        "counts": _counts(predictions),
        "bootstrap": {"resamples": resamples, "seed": seed, "level": LEVEL},
        "interval_notes": [note for note in scored.notes if note],
        "absent": _absent(card["test_set"], scored.classification),
        "classification": scored.classification,
        "regression": scored.regression,
        "groups": subgroup_metrics(predictions, resamples, rng),
    }


def _counts(predictions: LabelledPredictions) -> dict:
    # Several models may predict one utterance; it is counted once.
    rows = list(dict(zip(predictions.utterances, predictions.rows, strict=True)).values())
    durations = [row["duration"] for row in rows if row.get("duration") is not None]
    emotions = _tally(row["emotion"] for row in rows if row["emotion"] is not None)
    inside = {name: count for name, count in emotions.items() if name in predictions.emotions}
    rated = {
        f"with_{name}": sum(row.get(name) is not None for row in rows)
        for name in predictions.dimensions
    }
    return {
        "predictions": len(predictions.rows),
        "utterances": len(rows),
        "speakers": len(predictions.speakers),
        "without_speaker": sum(row.get("speaker") is None for row in rows),
        "duration_s": float(sum(durations)),
        "without_duration": len(rows) - len(durations),
        "with_emotion": sum(inside.values()),
        "without_emotion": len(rows) - sum(emotions.values()),
        "outside_classes": {e: count for e, count in emotions.items() if e not in inside},
        **rated,
        "languages": _tally(row.get("language") for row in rows),
        "label_sources": _tally(row.get("label_source") for row in rows),
    }


def _tally(values: Iterable[str | None]) -> dict[str, int]:
    """How often each value occurs; null counts as ``none``."""
    counts = Counter("none" if value is None else str(value) for value in values)
    return dict(sorted(counts.items()))


def _absent(test_set: str, classification: Mapping | None) -> list[str]:
    lines = classification["per_class"] if classification and classification["n"] else []
    absent = [line["emotion"] for line in lines if not line["support"]]
    absent = [emotion for emotion in absent if emotion != NO_ANSWER]
    return [absence(test_set, absent)] if absent else []


@dataclass
class Scored:
    """The results of either task, None where the model does not do it.

    ``draws``: metric (``uar``, ``valence ccc``) -> its value on every resample, and the number
    of speakers (or utterances) that were drawn from.
    """

    classification: dict | None = None
    regression: dict[str, dict] | None = None  # by dimension
    draws: dict[str, tuple[np.ndarray, int]] = field(default_factory=dict)

    def metrics(self) -> dict[str, dict]:
        """Metric -> ``{"value", "low", "high"}``, with keys as in ``draws``."""
        return all_metrics(self.classification, self.regression)

    @property
    def notes(self) -> list[str]:
        """Cautions about the intervals, each once; an empty one where there is none."""
        tasks = [self.classification, *(self.regression or {}).values()]
        return list(dict.fromkeys(t["drawn"]["note"] for t in tasks if t and t["n"]))


def all_metrics(classification: Mapping | None, regression: Mapping | None) -> dict[str, dict]:
    """The metrics of all tasks: ``uar``, ``valence ccc``, ... -> value, low, high."""
    found = dict(classification["metrics"]) if classification else {}
    for dimension, result in (regression or {}).items():
        found |= {f"{dimension} {name}": m for name, m in result["metrics"].items()}
    return found


def score(predictions: LabelledPredictions, resamples: int, rng: np.random.Generator) -> Scored:
    """Compute all metrics, each task on the utterances that have its label."""
    scored, predictions = Scored(), predictions.by_id()
    if predictions.predicted_N is not None:
        scored.classification = _classification(predictions, resamples, rng, scored)
    if predictions.predicted_values_NV is not None:
        scored.regression = {
            name: _dimension(predictions, name, resamples, rng, scored)
            for name in predictions.dimensions
        }
    return scored


def _classification(
    predictions: LabelledPredictions, resamples: int, rng: np.random.Generator, scored: Scored
) -> dict:
    labelled_N = predictions.true_N >= 0
    true_N, predicted_N = predictions.true_N[labelled_N], predictions.predicted_N[labelled_N]
    scores = predictions.log_probs_NC  # None where only classes were answered
    log_probs = [] if scores is None else [scores[labelled_N]]
    if predictions.temperature_N is not None:
        log_probs.append(predictions.calibrated_NC[labelled_N])
    clusters = clusters_of_rows(predictions, labelled_N)
    classes = len(predictions.emotions)
    statistics_NK = class_summands(true_N, predicted_N, classes, *log_probs)
    sums = statistics_NK.sum(0), resample(statistics_NK, clusters, resamples, rng)
    named = classes - (NO_ANSWER in predictions.emotions)
    table = class_metrics(classes, bool(log_probs), named)
    metrics, draws = _measure(table, *sums, (true_N, *log_probs[:1]), clusters)
    unknown = {"value": None, **NO_INTERVAL}
    metrics |= {name: unknown for name in SCORE_METRICS if name not in metrics}
    scored.draws |= draws
    confusion_CC = confusion_matrix(true_N, predicted_N, classes)
    result = {
        "n": len(true_N),
        "classes_present": int((confusion_CC.sum(1) > 0).sum()),
        "metrics": metrics,
        "per_class": per_class(confusion_CC, predictions.emotions),
        "confusion": confusion_CC.tolist(),
        "drawn": _drawn(clusters),
    }
    if len(log_probs) > 1:
        # The statistics of these scores are the last three.
        of_scores = (each[..., -3:] for each in sums)
        utterances = true_N, log_probs[1]
        metrics, _ = _measure(SCORE_METRICS, *of_scores, utterances, clusters)
        # One number, or the lowest and highest where parts have their own.
        low, high = (float(end(predictions.temperature_N)) for end in (np.min, np.max))
        temperature = low if low == high else [low, high]
        result["calibrated"] = {"temperature": temperature, "metrics": metrics}
    return result


def _dimension(
    predictions: LabelledPredictions,
    dimension: str,
    resamples: int,
    rng: np.random.Generator,
    scored: Scored,
) -> dict:
    true_N, predicted_N = predictions.rated(dimension), predictions.predicted(dimension)
    rated_N = np.isfinite(true_N)
    true_N, predicted_N = true_N[rated_N], predicted_N[rated_N]
    clusters = clusters_of_rows(predictions, rated_N)
    statistics_NK = value_statistics(true_N, predicted_N)
    sums = statistics_NK.sum(0), resample(statistics_NK, clusters, resamples, rng)
    metrics, draws = _measure(VALUE_METRICS, *sums, (true_N, predicted_N), clusters)
    scored.draws |= {f"{dimension} {name}": each for name, each in draws.items()}
    low, high = predictions.card["va_range"]
    scaled = {}
    for name, metric in VALUE_METRICS.items():
        if metric.unit_power:
            factor = (2 / (high - low)) ** metric.unit_power
            scaled[name] = {
                end: None if value is None else value * factor
                for end, value in metrics[name].items()
            }
    return {
        "n": len(true_N),
        "outside_range": int(((true_N < low) | (true_N > high)).sum()),
        "metrics": metrics,
        "unit_scale_metrics": scaled,
        "drawn": _drawn(clusters),
    }


def _measure(
    table: Mapping[str, Metric],
    sums_K: np.ndarray,
    sums_BK: np.ndarray,
    utterances: tuple[np.ndarray, np.ndarray],
    clusters: Clusters,
) -> tuple[dict[str, dict], dict[str, tuple[np.ndarray, int]]]:
    """Every metric of a table with its interval, and what :class:`Scored` has as ``draws``."""
    results, draws = {}, {}
    for name, metric in table.items():
        low = high = None
        if metric.resampled:
            value = number(metric.function(sums_K))
            estimates_B = metric.function(sums_BK)
            draws[name] = estimates_B, clusters.count
            if value is not None:
                low, high = interval(estimates_B, clusters.count)
        else:
            value = number(metric.function(*utterances))
        results[name] = {"value": value, "low": low, "high": high}
    return results, draws


def clusters_of_rows(predictions: LabelledPredictions, chosen_N: np.ndarray) -> Clusters:
    """Cluster the predictions that ``chosen_N`` marks, by speaker or else by utterance.

    Where folds or seeds are pooled, the predictions for one utterance are one unit.
    """
    chosen = predictions.chosen(np.flatnonzero(chosen_N))
    return clusters_of([row.get("speaker") for row in chosen.rows], chosen.utterances)


def _drawn(clusters: Clusters) -> dict:
    return {"unit": clusters.unit, "count": clusters.count, "note": clusters.note}


def subgroup_metrics(
    predictions: LabelledPredictions,
    resamples: int,
    rng: np.random.Generator,
    grouped_by: Sequence[str] = GROUPED_BY,
) -> dict[str, dict]:
    """Evaluate each gender, language, corpus, speaker, age group and accent, and compare them.

    Grouping (of two groups or more) -> ``levels`` (name -> utterances, speakers, classes and
    metrics), ``unknown`` (utterances without this fact) and ``gaps`` (metric -> highest and
    lowest group, their difference and its interval, the groups resampled independently; and
    ``note``, why there is no interval).
    Picking the two extremes of several groups makes their gap larger than that of two groups
    chosen in advance. The interval of a single speaker would resample utterances and not cover
    other speakers, so a metric for which only one speaker of a group has labels has none.
    """
    found = {}
    for key in grouped_by:
        members = defaultdict(list)
        for place, row in enumerate(predictions.rows):
            fact = _age_group(row.get(key)) if key == "age" else row.get(key)
            members[None if fact is None else str(fact)].append(place)
        unknown = len(members.pop(None, ()))
        if len(members) < 2:
            continue
        parts = {name: predictions.chosen(members[name]) for name in sorted(members)}
        scores = {name: score(part, resamples, rng) for name, part in parts.items()}
        speakers = {name: _labelled_speakers(part) for name, part in parts.items()}
        found[key] = {
            "levels": {
                name: _level(part, scores[name], key, speakers[name])
                for name, part in parts.items()
            },
            "unknown": unknown,
            "gaps": _gaps(scores, speakers),
        }
    return found


def _age_group(age: object) -> str | None:
    """Of years; another word, such as a corpus's own group, stays what it is."""
    if isinstance(age, int | float):
        return next(name for below, name in AGES if age < below)
    return age


def _level(
    part: LabelledPredictions, scored: Scored, key: str, labelled: Mapping[str, int | None]
) -> dict:
    level = {
        "utterances": len(set(part.utterances)),
        "speakers": len(part.speakers),
        "metrics": scored.metrics(),
    }
    if key == "speaker":
        genders = {row.get("gender") for row in part.rows}
        level["gender"] = genders.pop() if len(genders) == 1 else None
    else:
        level["metrics"] = {
            metric: {**value, **(NO_INTERVAL if _speakers_of(metric, labelled) == 1 else {})}
            for metric, value in level["metrics"].items()
        }
    if scored.classification:
        level["classes_present"] = scored.classification["classes_present"]
        if key != "speaker":
            level["per_class"] = scored.classification["per_class"]
    return level


def _labelled_speakers(part: LabelledPredictions) -> dict[str, int | None]:
    """Dimension, or ``emotion`` -> speakers with such a label; None if any is unknown."""
    labelled = {"emotion": part.true_N >= 0}
    labelled |= {name: np.isfinite(part.rated(name)) for name in part.dimensions}
    found = {}
    for label, labelled_N in labelled.items():
        speakers = {part.rows[n].get("speaker") for n in np.flatnonzero(labelled_N)}
        found[label] = None if None in speakers else len(speakers)
    return found


def _speakers_of(metric: str, labelled: Mapping[str, int | None]) -> int | None:
    return labelled.get(metric.partition(" ")[0], labelled["emotion"])


def _gaps(
    scores: Mapping[str, Scored], labelled: Mapping[str, Mapping[str, int | None]]
) -> dict[str, dict]:
    gaps = {}
    metrics = {name: scored.metrics() for name, scored in scores.items()}
    for metric in next(iter(metrics.values())):
        values = {name: found[metric]["value"] for name, found in metrics.items()}
        ranked = sorted((value, name) for name, value in values.items() if value is not None)
        if len(ranked) < 2:
            continue
        (low_value, lowest), (high_value, highest) = ranked[0], ranked[-1]
        gap = {"highest": highest, "lowest": lowest, "value": high_value - low_value}
        gaps[metric] = gap | NO_INTERVAL
        speakers = {name: _speakers_of(metric, labelled[name]) for name in (highest, lowest)}
        if metric in scores[highest].draws and 1 not in speakers.values():
            high_B, of_high = scores[highest].draws[metric]
            low_B, of_low = scores[lowest].draws[metric]
            ends = interval(high_B - low_B, min(of_high, of_low))
            gaps[metric]["low"], gaps[metric]["high"] = ends
        known = [(count, name) for name, count in speakers.items() if count]
        count, fewest = min(known, default=(FEWEST_FOR_INTERVAL, ""))
        if gaps[metric]["low"] is None and count < FEWEST_FOR_INTERVAL:
            gaps[metric]["note"] = (
                f"no interval: {fewest} has {count} speaker{'s' if count > 1 else ''}, of "
                f"{FEWEST_FOR_INTERVAL} needed"
            )
    return gaps

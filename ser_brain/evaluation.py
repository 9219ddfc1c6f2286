"""Evaluation: what the predictions on a test set are worth, with intervals. No torch.

Every number is taken over a whole set, never averaged over batches. The results are plain
JSON types; what is undefined is None.

Axes: N utterances.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from ser_brain.bootstrap import LEVEL
from ser_brain.groups import compare_groups
from ser_brain.predictions import VALENCE_AROUSAL, Predictions
from ser_brain.runs import Run
from ser_brain.scoring import Scores, score
from ser_brain.splits import absence

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

"""Evaluation: what the predictions on a test set are worth, with intervals. No torch.

Every number is taken over a whole set, never averaged over batches. The results are plain
JSON types; what is undefined is None.

Axes: N utterances.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ser_brain.bootstrap import LEVEL
from ser_brain.errors import SERError
from ser_brain.files import read_json
from ser_brain.groups import compare_groups
from ser_brain.predictions import VALENCE_AROUSAL, Predictions, read_predictions
from ser_brain.scoring import Scores, score

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
        ``regression`` (each None where the model does not predict it), ``groups`` and
        ``interval_notes``. A metric is ``{"value", "low", "high"}``.
    """
    card, rng = predictions.card, np.random.default_rng(seed)
    everyone_N = np.ones(len(predictions.ids), dtype=bool)
    scores = score(predictions, everyone_N, resamples, rng)
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
        "classification": scores.classification,
        "regression": scores.regression,
        "groups": compare_groups(predictions, resamples, rng),
    }


def read_run(run_folder: str | Path) -> list[Predictions]:
    """Read every predictions file of a run, without embeddings.

    Held-out sets come first, in the order of ``splits.json`` where the run has one: the
    corpus trained on, then the others as the settings name them.

    Raises
    ------
    SERError
        If the run has none or one of them is bad.
    """
    paths = sorted((Path(run_folder) / "predictions").glob("*.jsonl"))
    if not paths:
        raise SERError(f"No predictions/*.jsonl in {run_folder}; train or evaluate first.")
    found = [read_predictions(path, embeddings=False) for path in paths]
    splits = Path(run_folder) / "splits.json"
    tests = read_json(splits, "split").get("tests", {}) if splits.is_file() else {}
    place = {name: n for n, name in enumerate(tests)}

    def order(predictions: Predictions) -> tuple:
        role, name = str(predictions.card["role"]), predictions.card["test_set"]
        return role != "test", role, place.get(name, len(place)), name

    return sorted(found, key=order)


def evaluate_run(
    run_folder: str | Path, run_predictions: list[Predictions], resamples: int = RESAMPLES
) -> dict:
    """Evaluate the predictions of a run, each with the bootstrap seed of its card.

    Returns
    -------
    dict
        ``{"run": content of run.json or {}, "test_sets": {name: evaluation}}``.
    """
    path = Path(run_folder) / "run.json"
    run = read_json(path, "run description") if path.exists() else {}
    evaluations = [evaluate(p, p.card["seed"], resamples) for p in run_predictions]
    return {"run": run, "test_sets": {e["test_set"]: e for e in evaluations}}


def _counts(predictions: Predictions) -> dict:
    rows = predictions.rows
    known = {None, *predictions.emotions}
    outside = Counter(row["emotion"] for row in rows if row["emotion"] not in known)
    speakers = [row.get("speaker") for row in rows]
    durations = [row["duration"] for row in rows if row.get("duration") is not None]
    rated = {name: 0 for name in VALENCE_AROUSAL}
    if predictions.true_va_N2 is not None:
        known_2 = np.isfinite(predictions.true_va_N2).sum(0)
        rated = dict(zip(VALENCE_AROUSAL, known_2.tolist(), strict=True))
    return {
        "utterances": len(rows),
        "speakers": len(set(speakers) - {None}),
        "without_speaker": sum(speaker is None for speaker in speakers),
        "duration_s": float(sum(durations)),
        "without_duration": len(rows) - len(durations),
        "with_emotion": int((predictions.true_N >= 0).sum()),
        "without_emotion": sum(row["emotion"] is None for row in rows),
        "outside_classes": dict(sorted(outside.items())),
        "with_valence": rated["valence"],
        "with_arousal": rated["arousal"],
        "label_sources": _tally(row.get("label_source") for row in rows),
    }


def _interval_notes(scores: Scores) -> list[str]:
    """Why the intervals of a set should be read with care; each reason once."""
    parts = [scores.classification, *(scores.regression or {}).values()]
    notes = [part["drawn"]["note"] for part in parts if part and part["n"]]
    return list(dict.fromkeys(note for note in notes if note))


def _tally(values: Iterable[str | None]) -> dict[str, int]:
    """How often each value occurs; null counts as ``none``."""
    counts = Counter("none" if value is None else str(value) for value in values)
    return dict(sorted(counts.items()))

"""Groups: does the model serve women and men, one language and the next, equally well?"""

from __future__ import annotations

import numpy as np

from ser_brain.bootstrap import interval
from ser_brain.predictions import Predictions
from ser_brain.scoring import Scores, score

GROUPED_BY = ("gender", "language", "corpus")
COMPARED = ("wa", "uar", "macro_f1", "valence ccc", "arousal ccc", "valence mae", "arousal mae")


def compare_groups(
    predictions: Predictions, resamples: int, rng: np.random.Generator
) -> dict[str, dict]:
    """Score each gender, language and corpus of a test set, and how far they lie apart.

    Returns
    -------
    dict
        Grouping -> ``levels`` (name -> utterances, speakers and metrics), ``unknown``
        (utterances without this fact) and ``gaps`` (metric -> highest and lowest group, the
        gap and its interval, the groups drawn independently). Only groupings with two groups
        or more. Of several groups the two extremes are compared, which makes their gap look
        larger than that of two groups picked beforehand.
    """
    found = {}
    for key in GROUPED_BY:
        facts = [row.get(key) for row in predictions.rows]
        names = sorted({str(fact) for fact in facts if fact is not None})
        if len(names) < 2:
            continue
        members = {
            name: np.array([fact is not None and str(fact) == name for fact in facts])
            for name in names
        }
        scores = {
            name: score(predictions, chosen_N, resamples, rng)
            for name, chosen_N in members.items()
        }
        found[key] = {
            "levels": {
                name: _level(predictions, members[name], scores[name]) for name in names
            },
            "unknown": sum(fact is None for fact in facts),
            "gaps": _gaps(scores),
        }
    return found


def _level(predictions: Predictions, chosen_N: np.ndarray, scores: Scores) -> dict:
    speakers = {predictions.rows[i].get("speaker") for i in np.flatnonzero(chosen_N)}
    values = scores.values()
    classes = scores.classification["classes_present"] if scores.classification else None
    return {
        "utterances": int(chosen_N.sum()),
        "speakers": len(speakers - {None}),
        "classes_present": classes,
        "metrics": {name: values[name] for name in COMPARED if name in values},
    }


def _gaps(scores: dict[str, Scores]) -> dict[str, dict]:
    gaps = {}
    values = {name: found.values() for name, found in scores.items()}
    for metric in COMPARED:
        ranked = sorted(
            (found[metric]["value"], name)
            for name, found in values.items()
            if metric in found and found[metric]["value"] is not None
        )
        if len(ranked) < 2:
            continue
        (low_value, lowest), (high_value, highest) = ranked[0], ranked[-1]
        apart_B = scores[highest].draws[metric] - scores[lowest].draws[metric]
        clusters = min(scores[name].clusters[metric] for name in (highest, lowest))
        low, high = interval(apart_B, clusters)
        gaps[metric] = {
            "highest": highest,
            "lowest": lowest,
            "value": high_value - low_value,
            "low": low,
            "high": high,
        }
    return gaps

"""Groups: does the model serve women and men, each language, each speaker equally well?

Axes: N utterances, n of them in a group.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ser_brain.bootstrap import interval
from ser_brain.predictions import Predictions
from ser_brain.scoring import Scores, score

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

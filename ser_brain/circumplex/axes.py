"""Does arousal separate better than valence? A test, on the map and on the best axes.

*On the map*, an utterance's score is its placed valence or arousal. *On the best axis*, it is
the projection onto the straight axis, in the whole space, that tells the two sides apart best
among other speakers: what the space holds, however the map is drawn.

Axes: N utterances, S speakers, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ser_brain.circumplex import reference
from ser_brain.circumplex.mapping import SetMap
from ser_brain.circumplex.placement import speaker_folds
from ser_brain.circumplex.resampling import Draws, estimate, mean_over_parts
from ser_brain.circumplex.separability import Pair, compare, probe, sign_flip
from ser_brain.metrics import number

WAYS = {"map": "on the map", "best": "on the best axis"}


def separability(
    found: SetMap, placed: Mapping[str, np.ndarray], draws: Draws, rng: np.random.Generator
) -> tuple[dict, dict[str, np.ndarray]]:
    """AUC of arousal and of valence, and their difference.

    Returns
    -------
    results : dict
        Way (``map``, ``best``) -> ``arousal`` and ``valence`` (each with its ``high`` and
        ``low`` emotions, ``auc``, and the AUC of every pair of emotions), ``difference``
        (arousal - valence) and ``within_speakers``: the mean difference of AUCs over each
        speaker's own utterances, with its sign-flip p-value. An axis without emotions on both
        sides is None.
    drawn : dict
        ``arousal map`` ... -> AUC on every resample.
    """
    results, drawn = {}, {}
    for way in WAYS:
        axes, within = {}, {}
        for a, axis in enumerate(reference.AXES):
            sides = reference.sides(found.emotions, axis)
            if not (sides[0] and sides[1]):
                axes[axis] = None
                continue
            scores = {
                part: placed[part][:, a] if way == "map" else _best(found, part, sides)
                for part in found.judged.clouds
            }
            axes[axis], drawn[f"{axis} {way}"], within[axis] = _axis(
                found, scores, sides, draws
            )
        results[way] = {**axes, "difference": None, "within_speakers": None}
        if len(within) == 2:
            apart_B = drawn[f"arousal {way}"] - drawn[f"valence {way}"]
            values = [axes[axis]["auc"]["value"] for axis in ("arousal", "valence")]
            if None not in values:
                results[way]["difference"] = estimate(values[0] - values[1], apart_B, draws)
            results[way]["within_speakers"] = _within(
                within["arousal"] - within["valence"], rng
            )
    return results, drawn


def _axis(
    found: SetMap,
    scores: Mapping[str, np.ndarray],
    sides: tuple[list[str], list[str]],
    draws: Draws,
) -> tuple[dict, np.ndarray, np.ndarray]:
    once_S = np.ones(draws.clusters.count)
    pairs, values, resampled, parts, within = [], [], [], {}, []
    compared = {
        part: _pairs(found, part, score_N, sides, draws) for part, score_N in scores.items()
    }
    for part, of_part in compared.items():
        parts[part] = number(np.mean([pair.auc(once_S) for pair in of_part.values()]))
    for names in next(iter(compared.values())):
        each = [of_part[names] for of_part in compared.values()]
        value = mean_over_parts(pair.auc(once_S) for pair in each)
        values.append(value)
        resampled.append(mean_over_parts(pair.auc(draws.counts_BS) for pair in each))
        within.append(mean_over_parts(pair.within_speakers() for pair in each))
        pairs.append({"high": names[0], "low": names[1], "auc": number(value)})
    drawn_B = np.mean(resampled, axis=0)
    auc = estimate(float(np.mean(values)), drawn_B, draws)
    result = {"high": sides[0], "low": sides[1], "auc": auc, "pairs": pairs, "parts": parts}
    return result, drawn_B, np.mean(within, axis=0)


def _pairs(
    found: SetMap,
    part: str,
    score_N: np.ndarray,
    sides: tuple[list[str], list[str]],
    draws: Draws,
) -> dict[tuple[str, str], Pair]:
    cloud = found.judged.clouds[part]
    known_N = np.isfinite(score_N)
    of = {emotion: known_N & (cloud.emotion_N == n) for n, emotion in enumerate(found.emotions)}
    speaker_N = draws.of(cloud)
    return {
        (high, low): compare(score_N, of[high], of[low], speaker_N, draws.clusters.count)
        for high in sides[0]
        for low in sides[1]
    }


def _best(found: SetMap, part: str, sides: tuple[list[str], list[str]]) -> np.ndarray:
    """Scores on the best axis, each by one that has not heard the speaker; NaN without one."""
    judged, fitted = found.judged.clouds[part], found.fitted_on.clouds[part]
    on_side = [
        np.isin(np.array(found.fitted_on.emotions)[fitted.emotion_N], side) for side in sides
    ]
    folds = [(np.arange(len(fitted.ids)), np.arange(len(judged.ids)))]
    if found.same:
        folds = speaker_folds(judged.speakers)
    score_N = np.full(len(judged.ids), np.nan)
    for heard, rows in folds:
        high_N, low_N = (side[heard] for side in on_side)
        if high_N.any() and low_N.any():
            axis = probe(fitted.points_ND[heard], high_N, low_N)
            score_N[rows] = axis.score(judged.points_ND[rows])
    return score_N


def _within(difference_S: np.ndarray, rng: np.random.Generator) -> dict:
    known = difference_S[np.isfinite(difference_S)]
    return {
        "difference": float(known.mean()) if len(known) else None,
        "speakers": len(known),
        "p": sign_flip(known.tolist(), rng),
    }

"""How right a placement is: angles of the placed centroids, agreement with ratings.

Placed points of all parts lie in one plane and are judged together.

Axes: N utterances, E emotions, B resamples, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ser_brain.circumplex import reference
from ser_brain.circumplex.gaussians import moments, moments_by
from ser_brain.circumplex.mapping import SetMap
from ser_brain.circumplex.placement import angular_errors
from ser_brain.circumplex.placing import on_ratings, on_words, place
from ser_brain.circumplex.resampling import Draws, estimate
from ser_brain.metrics import number
from ser_brain.value_metrics import ccc, value_statistics

NOTHING = {"emotions": [], "mean_error": None, "parts": {}, "ratings": {}}


@dataclass(frozen=True)
class Placed:
    """Placed utterances.

    Attributes
    ----------
    points_N2 : ndarray
    emotion_N : ndarray of int
    speaker_N : ndarray of int
        Cluster of the bootstrap.
    true_va_N2 : ndarray
        Ratings, NaN where there are none.
    """

    points_N2: np.ndarray
    emotion_N: np.ndarray
    speaker_N: np.ndarray
    true_va_N2: np.ndarray


def together(
    found: SetMap,
    placed: Mapping[str, np.ndarray],
    draws: Draws,
    parts: list[str] | None = None,
) -> Placed:
    """The placed utterances of all parts, or of some."""
    clouds = {part: found.judged.clouds[part] for part in parts or found.judged.clouds}
    points_N2 = np.concatenate([placed[part] for part in clouds])
    known_N = np.isfinite(points_N2).all(axis=1)
    ratings = [
        np.full((len(c.ids), 2), np.nan) if c.true_va_N2 is None else c.true_va_N2
        for c in clouds.values()
    ]
    return Placed(
        points_N2[known_N],
        np.concatenate([c.emotion_N for c in clouds.values()])[known_N],
        np.concatenate([draws.of(c) for c in clouds.values()])[known_N],
        np.concatenate(ratings)[known_N],
    )


def judge(found: SetMap, placed: Mapping[str, np.ndarray], space: str, draws: Draws) -> dict:
    """How near the placed centroids come to their words, and points to their ratings.

    Returns
    -------
    dict
        ``emotions``: per emotion the placed centroid (``valence``, ``arousal``) with
        intervals, its ``error`` in degrees (None for neutral, whose word is the centre) and
        ``left_out_error``, where its own word had no part in the fit, and
        ``recentred_error``, where another set than the fitted one is first shifted onto it;
        ``mean_error`` over the emotions and ``parts``, the same in every part; ``ratings``:
        CCC with rated values.
    """
    emotions = found.emotions
    known = reference.angles_deg(emotions)
    everyone = together(found, placed, draws)
    if not len(everyone.points_N2) or not known:
        return NOTHING
    centre_E2 = _centroids(everyone, len(emotions))
    by_speaker = moments_by(
        everyone.points_N2,
        everyone.emotion_N,
        len(emotions),
        everyone.speaker_N,
        draws.clusters.count,
    )
    centre_BE2 = by_speaker.weighed(draws.counts_BS).means_XEk
    error_E, error_BE = _errors(centre_E2, emotions), _errors(centre_BE2, emotions)
    alone, recentred = {}, {}
    if space == "embedding":
        alone = _left_out_errors(found, draws)
        recentred = {} if found.same else _recentred_errors(found, draws)
    on_circle = [n for n, emotion in enumerate(emotions) if emotion in known]
    return {
        "emotions": [
            {
                "emotion": emotion,
                **{
                    axis: estimate(centre_E2[n, a], centre_BE2[:, n, a], draws)
                    for a, axis in enumerate(reference.AXES)
                },
                "error": estimate(error_E[n], error_BE[:, n], draws)
                if emotion in known
                else None,
                "left_out_error": alone.get(emotion),
                "recentred_error": recentred.get(emotion),
            }
            for n, emotion in enumerate(emotions)
        ],
        "mean_error": estimate(
            error_E[on_circle].mean(), error_BE[:, on_circle].mean(axis=1), draws
        ),
        "parts": {
            part: _mean_error(together(found, placed, draws, [part]), emotions)
            for part in found.judged.clouds
        },
        "ratings": _with_ratings(found, everyone, space, draws),
    }


def _centroids(placed: Placed, emotions: int) -> np.ndarray:
    return moments(placed.points_N2, placed.emotion_N, emotions).means_XEk


def _errors(centre_XE2: np.ndarray, emotions: list[str]) -> np.ndarray:
    """Angular error of every emotion; NaN for one without an angle."""
    known = reference.angles_deg(emotions)
    return angular_errors(centre_XE2, np.array([known.get(e, np.nan) for e in emotions]))


def _mean_error(placed: Placed, emotions: list[str]) -> float | None:
    error_E = _errors(_centroids(placed, len(emotions)), emotions)
    return number(error_E[[e in reference.angles_deg(emotions) for e in emotions]].mean())


def _left_out_errors(found: SetMap, draws: Draws) -> dict[str, float]:
    """Error of every emotion where the fit did not know its word."""
    errors = {}
    for n, emotion in enumerate(found.emotions):
        if emotion in reference.angles_deg([emotion]):
            placed = together(found, place(found, on_words(found.emotions, without=n)), draws)
            if len(placed.points_N2):
                centre_E2 = _centroids(placed, len(found.emotions))
                errors[emotion] = float(_errors(centre_E2, found.emotions)[n])
    return errors


def _recentred_errors(found: SetMap, draws: Draws) -> dict[str, float]:
    placed = together(found, place(found, on_words(found.emotions), recentred=True), draws)
    error_E = _errors(_centroids(placed, len(found.emotions)), found.emotions)
    errors = dict(zip(found.emotions, error_E.tolist(), strict=True))
    return {emotion: errors[emotion] for emotion in reference.angles_deg(found.emotions)}


def _with_ratings(found: SetMap, placed: Placed, space: str, draws: Draws) -> dict[str, dict]:
    """CCC of placed points with rated valence and arousal, for each way to place them."""
    if not np.isfinite(placed.true_va_N2).any():
        return {}
    if space == "va":
        ways = {"predicted": placed}
    else:
        ways = {"words": placed}
        fitted_on = found.fitted_on.clouds
        if all(fitted_on[part].true_va_N2 is not None for part in found.judged.clouds):
            ways["ratings"] = together(found, place(found, on_ratings), draws)
    return {
        way: {axis: _agreement(of_way, a, draws) for a, axis in enumerate(reference.AXES)}
        for way, of_way in ways.items()
    }


def _agreement(placed: Placed, axis: int, draws: Draws) -> dict[str, float | None]:
    rated_N = np.isfinite(placed.true_va_N2[:, axis])
    if not rated_N.any():
        return {"value": None, "low": None, "high": None}
    statistics_NK = value_statistics(
        placed.true_va_N2[rated_N, axis], placed.points_N2[rated_N, axis]
    )
    sums_SK = np.zeros((draws.clusters.count, statistics_NK.shape[1]))
    np.add.at(sums_SK, placed.speaker_N[rated_N], statistics_NK)
    value = float(ccc(statistics_NK.sum(axis=0)))
    return estimate(value, ccc(draws.counts_BS @ sums_SK), draws)

"""A set placed on Russell's plane, every utterance by a fit that has not heard its speaker.

Axes: N utterances, k components, E emotions, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ser_brain.circumplex import placement, reference
from ser_brain.circumplex.embedding_sets import Cloud
from ser_brain.circumplex.mapping import SetMap
from ser_brain.circumplex.placement import Placement

Fit = Callable[[Cloud], Placement | None]


def on_words(emotions: list[str], without: int = -1) -> Fit:
    """A fit of the emotions' centroids onto their words, one emotion perhaps left out."""
    targets_E2 = reference.targets(emotions)

    def fit(cloud: Cloud) -> Placement | None:
        kept = cloud.take(cloud.emotion_N != without)
        return placement.fit_emotions(kept.points_ND, kept.emotion_N, targets_E2)

    return fit


def on_ratings(cloud: Cloud) -> Placement | None:
    """A fit of rated utterances onto their ratings; None where too few are rated."""
    rated_N = np.isfinite(cloud.true_va_N2).all(axis=1)
    if rated_N.sum() < placement.LEAST_POINTS:
        return None
    return placement.fit(cloud.points_ND[rated_N], cloud.true_va_N2[rated_N])


def place(found: SetMap, fit: Fit, recentred: bool = False) -> dict[str, np.ndarray]:
    """Place the utterances of every part.

    Parameters
    ----------
    found : SetMap
    fit : callable
    recentred : bool
        First shift the set, whose labels are not looked at, so that its mean is that of what
        is fitted on: another microphone or language shifts all points alike. It takes for
        granted that both hold the emotions in like shares.

    Returns
    -------
    dict
        Part -> points (N, 2); NaN where a fit is impossible.
    """
    return {part: _place_part(found, part, fit, recentred) for part in found.judged.clouds}


def _place_part(found: SetMap, part: str, fit: Fit, recentred: bool) -> np.ndarray:
    points_Nk, fitting = found.reduced(part), found.fitting(part)
    if recentred:
        points_Nk = points_Nk - points_Nk.mean(axis=0) + fitting.points_ND.mean(axis=0)
    everyone = np.arange(len(points_Nk))
    folds = [(np.arange(len(fitting.ids)), everyone)]
    if found.same:
        folds = placement.speaker_folds(fitting.speakers)
    placed_N2 = np.full((len(points_Nk), 2), np.nan)
    for heard, judged in folds:
        fitted = fit(fitting.take(heard))
        if fitted is not None:
            placed_N2[judged] = fitted.place(points_Nk[judged])
    return placed_N2


def as_placed(found: SetMap, space: str) -> dict[str, np.ndarray]:
    """Every part on the map: placed on the words, or as predicted where that is the map."""
    if space == "va":
        return {part: found.reduced(part) for part in found.judged.clouds}
    return place(found, on_words(found.emotions))

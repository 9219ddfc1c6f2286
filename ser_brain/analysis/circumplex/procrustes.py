"""Placing a model's points on Russell's plane of valence and arousal, and the error of that.

Orthogonal Procrustes with scale and shift (Schönemann and Carroll 1970, Psychometrika 35(2)):
one rotation, which may reflect, one scale and one shift bring the emotions' centroids as near
as possible to their words on the circle, neutral to its centre. Nothing is stretched or bent,
so that a space that is no circumplex cannot be made into one.

Axes: N utterances, E emotions, M points to fit, k components, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.model_selection import GroupKFold

from ser_brain.analysis.circumplex.angles import (
    AXES,
    angle_difference,
    reference_angles,
    reference_points,
)
from ser_brain.analysis.circumplex.bootstrap import Draws, Estimate, percentile_estimate
from ser_brain.analysis.circumplex.components import ReducedSet
from ser_brain.analysis.circumplex.data import Cloud
from ser_brain.analysis.circumplex.distances import moments, moments_by_speaker
from ser_brain.evaluation.metrics import ccc, number, value_statistics
from ser_brain.evaluation.significance import clusters_of

MOST_FOLDS = 10
LEAST_POINTS = 3  # two points do not decide whether the plane is reflected


@dataclass(frozen=True)
class Placement:
    """A fitted placement: ``(points - origin) @ rotation * scale + shift``."""

    origin_k: np.ndarray
    rotation_k2: np.ndarray  # the first two columns of an orthogonal matrix
    scale: float
    shift_2: np.ndarray

    def place(self, points_Nk: np.ndarray) -> np.ndarray:
        """Valence and arousal of points, shape (N, 2)."""
        return (points_Nk - self.origin_k) @ self.rotation_k2 * self.scale + self.shift_2


def fit(points_Mk: np.ndarray, targets_M2: np.ndarray) -> Placement:
    """Fit a placement of points (centroids, or rated utterances) onto targets.

    With more than two components the targets are a plane of the larger space. What the points
    do outside it counts as misfit, and is then dropped.
    """
    origin_k, shift_2 = points_Mk.mean(axis=0), targets_M2.mean(axis=0)
    centred_Mk = points_Mk - origin_k
    padded_Mk = np.zeros((len(targets_M2), max(points_Mk.shape[1], 2)))
    padded_Mk[:, :2] = targets_M2 - shift_2
    rotation_kk, singular = orthogonal_procrustes(centred_Mk, padded_Mk)
    square_sum = (centred_Mk**2).sum()
    scale = singular / square_sum if square_sum else 0.0
    return Placement(origin_k, rotation_kk[:, :2], scale, shift_2)


Fit = Callable[[Cloud], Placement | None]


def on_words(emotions: list[str], without: int = -1) -> Fit:
    """A fit of the emotions' centroids onto their words; one emotion may be excluded.

    It is None for a cloud with fewer than three emotions.
    """
    targets_E2 = reference_points(emotions)

    def fit_words(cloud: Cloud) -> Placement | None:
        kept = cloud.take(cloud.emotion_N != without)
        present = np.unique(kept.emotion_N)
        if len(present) < LEAST_POINTS:
            return None
        means = [kept.points_ND[kept.emotion_N == e].mean(axis=0) for e in present]
        return fit(np.stack(means), targets_E2[present])

    return fit_words


def on_ratings(cloud: Cloud) -> Placement | None:
    """A fit of rated utterances onto their ratings; None with too few of them."""
    rated_N = np.isfinite(cloud.true_va_N2).all(axis=1)
    if rated_N.sum() < LEAST_POINTS:
        return None
    return fit(cloud.points_ND[rated_N], cloud.true_va_N2[rated_N])


def place(reduced: ReducedSet, fit: Fit, recentred: bool = False) -> dict[str, np.ndarray]:
    """Place the test utterances of every part, each speaker by a fit on others.

    Parameters
    ----------
    reduced : ReducedSet
    fit : callable
    recentred : bool
        First shift the test set, without using its labels, so that its mean is that of the
        fitted set: another microphone or language shifts all points alike. This assumes that
        both hold the emotions in similar shares.

    Returns
    -------
    dict
        Part -> points (N, 2); NaN where a fit is impossible.
    """
    return {part: _place_part(reduced, part, fit, recentred) for part in reduced.test.clouds}


def _place_part(reduced: ReducedSet, part: str, fit: Fit, recentred: bool) -> np.ndarray:
    points_Nk, to_fit = reduced.points(part), reduced.fit_cloud(part)
    if recentred:
        points_Nk = points_Nk - points_Nk.mean(axis=0) + to_fit.points_ND.mean(axis=0)
    placed_N2 = np.full((len(points_Nk), 2), np.nan)
    for train, test in train_test_rows(reduced, to_fit, len(points_Nk)):
        fitted = fit(to_fit.take(train))
        if fitted is not None:
            placed_N2[test] = fitted.place(points_Nk[test])
    return placed_N2


def train_test_rows(
    reduced: ReducedSet, to_fit: Cloud, tested: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit on and rows to test; no speaker is tested by a fit that includes them."""
    if reduced.fitted_on_itself:
        return speaker_folds(to_fit.speakers)
    return iter([(np.arange(len(to_fit.ids)), np.arange(tested))])


def speaker_folds(speakers: Sequence[str | None]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Speaker-disjoint folds: rows to fit on and rows to test, which hold each speaker once."""
    clusters = clusters_of(list(speakers))
    folds = GroupKFold(min(MOST_FOLDS, clusters.count))
    return folds.split(np.zeros(len(speakers)), groups=clusters.index_N)


def place_points(reduced: ReducedSet, space: str) -> dict[str, np.ndarray]:
    """Every part on the map: placed on the words, or as predicted for ``space="va"``."""
    if space == "va":
        return {part: reduced.points(part) for part in reduced.test.clouds}
    return place(reduced, on_words(reduced.emotions))


def pool(
    reduced: ReducedSet, placed: Mapping[str, np.ndarray], parts: Sequence[str] = ()
) -> Cloud:
    """The placed utterances of some parts, or of all: on the map, parts share a space.

    Utterances that could not be placed are dropped.
    """
    clouds = []
    for part in parts or reduced.test.clouds:
        cloud = replace(reduced.test.clouds[part], points_ND=placed[part])
        clouds.append(cloud.take(np.isfinite(cloud.points_ND).all(axis=1)))
    ratings = [
        np.full((len(c.ids), 2), np.nan) if c.true_va_N2 is None else c.true_va_N2
        for c in clouds
    ]
    return Cloud(
        points_ND=np.concatenate([c.points_ND for c in clouds]),
        emotion_N=np.concatenate([c.emotion_N for c in clouds]),
        ids=[i for c in clouds for i in c.ids],
        speakers=[speaker for c in clouds for speaker in c.speakers],
        true_va_N2=np.concatenate(ratings),
        duration_N=np.concatenate([c.duration_N for c in clouds]),
    )


def _centroids(pooled: Cloud, emotions: Sequence[str]) -> np.ndarray:
    return moments(pooled.points_ND, pooled.emotion_N, len(emotions)).means_XEk


def placement_error(
    reduced: ReducedSet, placed: Mapping[str, np.ndarray], space: str, draws: Draws
) -> dict:
    """Compare placed centroids with their words, and points with their ratings.

    Returns
    -------
    dict
        ``emotions``: per emotion the placed centroid (``valence``, ``arousal``) with
        intervals, its ``error`` in degrees (None for neutral, whose word is the centre),
        ``left_out_error``, from a fit without the emotion's own word, and
        ``recentred_error``, where another set than the fitted one is first shifted onto it;
        ``mean_error`` over the emotions and ``parts``, the same in every part; ``ratings``:
        CCC with rated values. Empty where nothing can be placed.
    """
    emotions = reduced.emotions
    known = reference_angles(emotions)
    pooled = pool(reduced, placed)
    if not len(pooled.ids) or not known:
        return {"emotions": [], "mean_error": None, "parts": {}, "ratings": {}}
    centre_E2 = _centroids(pooled, emotions)
    by_speaker = moments_by_speaker(
        pooled.points_ND,
        pooled.emotion_N,
        len(emotions),
        draws.clusters_of(pooled),
        draws.clusters.count,
    )
    centre_BE2 = by_speaker.resampled(draws.counts_BS).means_XEk
    error_E, error_BE = (angular_errors(c, emotions) for c in (centre_E2, centre_BE2))
    unseen, recentred = {}, {}
    if space == "embedding":
        unseen = _unseen_errors(reduced)
        recentred = {} if reduced.fitted_on_itself else _recentred_errors(reduced)
    rows = []
    for n, emotion in enumerate(emotions):
        row: dict = {"emotion": emotion}
        for a, axis in enumerate(AXES):
            row[axis] = percentile_estimate(centre_E2[n, a], centre_BE2[:, n, a], draws)
        error = percentile_estimate(error_E[n], error_BE[:, n], draws)
        row["error"] = error if emotion in known else None
        row["left_out_error"] = unseen.get(emotion)
        row["recentred_error"] = recentred.get(emotion)
        rows.append(row)
    with_angle = [n for n, emotion in enumerate(emotions) if emotion in known]
    mean_B = error_BE[:, with_angle].mean(axis=1)
    part_errors = {}
    for part in reduced.test.clouds:
        centre_of_part_E2 = _centroids(pool(reduced, placed, [part]), emotions)
        error_of_part_E = angular_errors(centre_of_part_E2, emotions)
        part_errors[part] = number(error_of_part_E[with_angle].mean())
    return {
        "emotions": rows,
        "mean_error": percentile_estimate(error_E[with_angle].mean(), mean_B, draws),
        "parts": part_errors,
        "ratings": _rating_agreement(reduced, pooled, space, draws),
    }


def angular_errors(placed_XE2: np.ndarray, emotions: Sequence[str]) -> np.ndarray:
    """Angle between placed centroids and their words, seen from the circle's centre.

    Returns
    -------
    ndarray
        Degrees in [0, 180], shape (X, E); chance is 90. NaN for an emotion without an angle.
    """
    known = reference_angles(emotions)
    angle_E = np.array([known.get(emotion, np.nan) for emotion in emotions])
    placed_deg = np.degrees(np.arctan2(placed_XE2[..., 1], placed_XE2[..., 0]))
    return np.abs(angle_difference(placed_deg, angle_E))


def _unseen_errors(reduced: ReducedSet) -> dict[str, float]:
    """Error of every emotion under a fit without its word."""
    emotions, errors = reduced.emotions, {}
    for emotion in reference_angles(emotions):
        n = emotions.index(emotion)
        pooled = pool(reduced, place(reduced, on_words(emotions, without=n)))
        if len(pooled.ids):
            error_E = angular_errors(_centroids(pooled, emotions), emotions)
            errors[emotion] = float(error_E[n])
    return errors


def _recentred_errors(reduced: ReducedSet) -> dict[str, float]:
    emotions = reduced.emotions
    pooled = pool(reduced, place(reduced, on_words(emotions), recentred=True))
    error_E = angular_errors(_centroids(pooled, emotions), emotions).tolist()
    return {e: error_E[emotions.index(e)] for e in reference_angles(emotions)}


def _rating_agreement(
    reduced: ReducedSet, pooled: Cloud, space: str, draws: Draws
) -> dict[str, dict]:
    """CCC of placed points with rated valence and arousal, for each way to place them."""
    if not np.isfinite(pooled.true_va_N2).any():
        return {}
    ways = {"predicted" if space == "va" else "words": pooled}
    rated = all(reduced.fitted_on.clouds[p].true_va_N2 is not None for p in reduced.test.clouds)
    if space == "embedding" and rated:
        ways["ratings"] = pool(reduced, place(reduced, on_ratings))
    return {
        way: {axis: _agreement(placed, a, draws) for a, axis in enumerate(AXES)}
        for way, placed in ways.items()
    }


def _agreement(placed: Cloud, axis: int, draws: Draws) -> Estimate:
    rated_N = np.isfinite(placed.true_va_N2[:, axis])
    if not rated_N.any():
        return {"value": None, "low": None, "high": None}
    statistics_NK = value_statistics(
        placed.true_va_N2[rated_N, axis], placed.points_ND[rated_N, axis]
    )
    sums_SK = np.zeros((draws.clusters.count, statistics_NK.shape[1]))
    np.add.at(sums_SK, draws.clusters_of(placed)[rated_N], statistics_NK)
    value = float(ccc(statistics_NK.sum(axis=0)))
    return percentile_estimate(value, ccc(draws.counts_BS @ sums_SK), draws)

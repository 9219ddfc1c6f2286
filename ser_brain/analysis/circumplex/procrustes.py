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

from ser_brain.analysis.circumplex.data import Cloud, Draws, Estimate, percentile_estimate
from ser_brain.analysis.circumplex.distances import ReducedSet, moments, moments_by_speaker
from ser_brain.analysis.circumplex.order import (
    AXES,
    angle_difference,
    reference_angles,
    reference_points,
)
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
        present = [e for e in np.unique(cloud.emotion_N) if e != without]
        if len(present) < LEAST_POINTS:
            return None
        means = [cloud.points_ND[cloud.emotion_N == e].mean(axis=0) for e in present]
        return fit(np.stack(means), targets_E2[present])

    return fit_words


def on_ratings(cloud: Cloud) -> Placement | None:
    """A fit of rated utterances onto their ratings; None with too few of them."""
    rated_N = np.isfinite(cloud.true_va_N2).all(axis=1)
    if rated_N.sum() < LEAST_POINTS:
        return None
    return fit(cloud.points_ND[rated_N], cloud.true_va_N2[rated_N])


def place(reduced: ReducedSet, fit: Fit, recentred: bool = False) -> dict[str, np.ndarray]:
    """Place the test utterances of every part, (N, 2), each speaker by a fit on others.

    They are NaN where a fit is impossible. ``recentred`` first shifts the test set, without
    using its labels, so that its mean is that of the fitted set: another microphone or language
    shifts all points alike. This assumes that both hold the emotions in similar shares.
    """
    placed = {}
    for part in reduced.test.clouds:
        points_Nk, to_fit = reduced.points(part), reduced.fit_cloud(part)
        if recentred:
            points_Nk = points_Nk - points_Nk.mean(axis=0) + to_fit.points_ND.mean(axis=0)
        placed[part] = np.full((len(points_Nk), 2), np.nan)
        for train, test in train_test_rows(reduced, to_fit, len(points_Nk)):
            fitted = fit(to_fit.take(train))
            if fitted is not None:
                placed[part][test] = fitted.place(points_Nk[test])
    return placed


def train_test_rows(
    reduced: ReducedSet, to_fit: Cloud, tested: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit on and rows to test; no speaker is tested by a fit that includes them."""
    if not reduced.fitted_on_itself:
        return iter([(np.arange(len(to_fit.id_N)), np.arange(tested))])
    clusters = clusters_of(to_fit.speaker_N.tolist())
    folds = GroupKFold(min(MOST_FOLDS, clusters.count))
    return folds.split(np.zeros(tested), groups=clusters.index_N)


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
    clouds = [
        replace(reduced.test.clouds[part], points_ND=placed[part])
        for part in parts or reduced.test.clouds
    ]
    columns = zip(*(cloud.columns for cloud in clouds), strict=True)
    pooled = Cloud(*map(np.concatenate, columns))
    return pooled.take(np.isfinite(pooled.points_ND).all(axis=1))


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
    with_angle = [emotions.index(emotion) for emotion in reference_angles(emotions)]
    pooled = pool(reduced, placed)
    if not len(pooled.id_N) or not with_angle:
        return {"emotions": [], "mean_error": None, "parts": {}, "ratings": {}}
    centre_E2 = _centroids(pooled, emotions)
    speakers = draws.clusters_of(pooled), draws.clusters.count
    by_speaker = moments_by_speaker(
        pooled.points_ND, pooled.emotion_N, len(emotions), *speakers
    )
    centre_BE2 = by_speaker.resampled(draws.counts_BS).means_XEk
    error_E, error_BE = (angular_errors(c, emotions) for c in (centre_E2, centre_BE2))
    unseen, recentred = {}, {}
    if space == "embedding":
        for n in with_angle:
            unknown = place(reduced, on_words(emotions, without=n))
            unseen[n] = number(_errors(reduced, unknown)[n])
        if not reduced.fitted_on_itself:
            moved = place(reduced, on_words(emotions), recentred=True)
            recentred = {n: number(_errors(reduced, moved)[n]) for n in with_angle}
    rows = []
    for n, emotion in enumerate(emotions):
        row: dict = {"emotion": emotion}
        for a, axis in enumerate(AXES):
            row[axis] = percentile_estimate(centre_E2[n, a], centre_BE2[:, n, a], draws)
        error = percentile_estimate(error_E[n], error_BE[:, n], draws)
        row["error"] = error if n in with_angle else None
        row["left_out_error"] = unseen.get(n)
        row["recentred_error"] = recentred.get(n)
        rows.append(row)
    part_errors = {
        part: number(_errors(reduced, placed, [part])[with_angle].mean())
        for part in reduced.test.clouds
    }
    mean_B = error_BE[:, with_angle].mean(axis=1)
    return {
        "emotions": rows,
        "mean_error": percentile_estimate(error_E[with_angle].mean(), mean_B, draws),
        "parts": part_errors,
        "ratings": _rating_agreement(reduced, pooled, space, draws),
    }


def angular_errors(placed_XE2: np.ndarray, emotions: Sequence[str]) -> np.ndarray:
    """Angle between placed centroids and their words, seen from the circle's centre, (X, E).

    Degrees in [0, 180]; chance is 90. NaN for an emotion without an angle.
    """
    known = reference_angles(emotions)
    angle_E = np.array([known.get(emotion, np.nan) for emotion in emotions])
    placed_deg = np.degrees(np.arctan2(placed_XE2[..., 1], placed_XE2[..., 0]))
    return np.abs(angle_difference(placed_deg, angle_E))


def _errors(
    reduced: ReducedSet, placed: Mapping[str, np.ndarray], parts: Sequence[str] = ()
) -> np.ndarray:
    pooled = pool(reduced, placed, parts)
    return angular_errors(_centroids(pooled, reduced.emotions), reduced.emotions)


def _rating_agreement(
    reduced: ReducedSet, pooled: Cloud, space: str, draws: Draws
) -> dict[str, dict]:
    """CCC of placed points with rated valence and arousal, for each way to place them."""
    if not np.isfinite(pooled.true_va_N2).any():
        return {}
    ways = {"predicted" if space == "va" else "words": pooled}
    to_fit = [reduced.fitted_on.clouds[part] for part in reduced.test.clouds]
    if space == "embedding" and all(np.isfinite(c.true_va_N2).any() for c in to_fit):
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

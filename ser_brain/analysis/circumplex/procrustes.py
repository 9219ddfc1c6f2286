"""Putting a model's points onto Russell's plane of valence and arousal.

Orthogonal Procrustes with scale and shift (Schönemann and Carroll 1970, Psychometrika 35(2)):
one rotation, which may reflect, one scale and one shift take the emotions' centroids as near
as can be to their words on the circle, neutral to its centre. Nothing is stretched or bent, so
that a space that is no circumplex cannot be made one.

Axes: N utterances, E emotions, k components, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.model_selection import GroupKFold

from ser_brain.analysis.circumplex import angles
from ser_brain.analysis.circumplex.angles import turn
from ser_brain.analysis.circumplex.bootstrap import Draws, estimate
from ser_brain.analysis.circumplex.components import SetMap
from ser_brain.analysis.circumplex.data import Cloud
from ser_brain.analysis.circumplex.distances import moments, moments_by
from ser_brain.evaluation.metrics import ccc, number, value_statistics
from ser_brain.evaluation.significance import clusters_of

MOST_FOLDS = 10

# Two points leave it open whether the plane is reflected.
LEAST_POINTS = 3


@dataclass(frozen=True)
class Placement:
    """A fitted placement: ``(points - origin) @ rotation * scale + shift``.

    Attributes
    ----------
    origin_k : ndarray
    rotation_k2 : ndarray
        The first two columns of an orthogonal matrix.
    scale : float
    shift_2 : ndarray
    """

    origin_k: np.ndarray
    rotation_k2: np.ndarray
    scale: float
    shift_2: np.ndarray

    def place(self, points_Nk: np.ndarray) -> np.ndarray:
        """Valence and arousal of points, shape (N, 2)."""
        return (points_Nk - self.origin_k) @ self.rotation_k2 * self.scale + self.shift_2


def fit(points_Mk: np.ndarray, targets_M2: np.ndarray) -> Placement:
    """Fit a placement of points (centroids, or rated utterances) onto targets.

    With more than two components the targets lie in a plane of the larger space: what the
    points do outside it counts as misfit, and is then left away.

    Examples
    --------
    >>> square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> turned = 3 * square[:, ::-1] + 7
    >>> fit(turned, square).place(turned).round(6).tolist() == square.tolist()
    True
    """
    size = points_Mk.shape[1]
    origin_k, shift_2 = points_Mk.mean(axis=0), targets_M2.mean(axis=0)
    centred_Mk = points_Mk - origin_k
    padded_Mk = np.zeros((len(targets_M2), max(size, 2)))
    padded_Mk[:, :2] = targets_M2 - shift_2
    spread = (centred_Mk**2).sum()
    rotation_kk, singular = orthogonal_procrustes(centred_Mk, padded_Mk)
    return Placement(
        origin_k, rotation_kk[:, :2], singular / spread if spread else 0.0, shift_2
    )


def fit_emotions(
    points_Nk: np.ndarray, emotion_N: np.ndarray, targets_E2: np.ndarray
) -> Placement | None:
    """Fit the centroids of the emotions that occur; None where they are too few."""
    present = np.unique(emotion_N)
    if len(present) < LEAST_POINTS:
        return None
    centroids = np.stack([points_Nk[emotion_N == e].mean(axis=0) for e in present])
    return fit(centroids, targets_E2[present])


def speaker_folds(speakers: Sequence[str | None]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit on and rows to judge on: each speaker is judged once, by a fit on others."""
    clusters = clusters_of(list(speakers))
    cutter = GroupKFold(min(MOST_FOLDS, clusters.count))
    yield from cutter.split(np.zeros(len(speakers)), groups=clusters.index_N)


def angular_errors(placed_E2: np.ndarray, angle_E: np.ndarray) -> np.ndarray:
    """Angle between placed centroids and their words, seen from the circle's centre.

    Returns
    -------
    ndarray
        Degrees in [0, 180], shape (..., E); chance is 90.
    """
    placed_deg = np.degrees(np.arctan2(placed_E2[..., 1], placed_E2[..., 0]))
    return np.abs(turn(placed_deg, angle_E))


Fit = Callable[[Cloud], Placement | None]


def on_words(emotions: list[str], without: int = -1) -> Fit:
    """A fit of the emotions' centroids onto their words, one emotion perhaps left out."""
    targets_E2 = angles.targets(emotions)

    def fit(cloud: Cloud) -> Placement | None:
        kept = cloud.take(cloud.emotion_N != without)
        return fit_emotions(kept.points_ND, kept.emotion_N, targets_E2)

    return fit


def on_ratings(cloud: Cloud) -> Placement | None:
    """A fit of rated utterances onto their ratings; None where too few are rated."""
    rated_N = np.isfinite(cloud.true_va_N2).all(axis=1)
    if rated_N.sum() < LEAST_POINTS:
        return None
    return fit(cloud.points_ND[rated_N], cloud.true_va_N2[rated_N])


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
        folds = speaker_folds(fitting.speakers)
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
    known = angles.angles_deg(emotions)
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
                    for a, axis in enumerate(angles.AXES)
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
    known = angles.angles_deg(emotions)
    return angular_errors(centre_XE2, np.array([known.get(e, np.nan) for e in emotions]))


def _mean_error(placed: Placed, emotions: list[str]) -> float | None:
    error_E = _errors(_centroids(placed, len(emotions)), emotions)
    return number(error_E[[e in angles.angles_deg(emotions) for e in emotions]].mean())


def _left_out_errors(found: SetMap, draws: Draws) -> dict[str, float]:
    """Error of every emotion where the fit did not know its word."""
    errors = {}
    for n, emotion in enumerate(found.emotions):
        if emotion in angles.angles_deg([emotion]):
            placed = together(found, place(found, on_words(found.emotions, without=n)), draws)
            if len(placed.points_N2):
                centre_E2 = _centroids(placed, len(found.emotions))
                errors[emotion] = float(_errors(centre_E2, found.emotions)[n])
    return errors


def _recentred_errors(found: SetMap, draws: Draws) -> dict[str, float]:
    placed = together(found, place(found, on_words(found.emotions), recentred=True), draws)
    error_E = _errors(_centroids(placed, len(found.emotions)), found.emotions)
    errors = dict(zip(found.emotions, error_E.tolist(), strict=True))
    return {emotion: errors[emotion] for emotion in angles.angles_deg(found.emotions)}


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
        way: {axis: _agreement(of_way, a, draws) for a, axis in enumerate(angles.AXES)}
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

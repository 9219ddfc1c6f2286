"""Putting a model's points onto Russell's plane of valence and arousal.

Orthogonal Procrustes with scale and shift (Schönemann and Carroll 1970, Psychometrika 35(2)):
one rotation, which may reflect, one scale and one shift take the emotions' centroids as near
as can be to their words on the circle, neutral to its centre. Nothing is stretched or bent, so
that a space that is no circumplex cannot be made one.

Axes: N utterances, E emotions, k components, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.model_selection import GroupKFold

from ser_brain.bootstrap import clusters_of
from ser_brain.circumplex.polar import turn

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

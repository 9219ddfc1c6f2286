"""Principal components, fitted on one set and applied to others.

Axes: N utterances, D dimensions, k components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.decomposition import PCA

from ser_brain.analysis.circumplex.data import Cloud, EmbeddingSet
from ser_brain.core.errors import SERError

SHARES = (0.6, 0.8, 0.95)


@dataclass(frozen=True)
class Reduction:
    """A fitted reduction.

    Attributes
    ----------
    mean_D : ndarray
    components_kD : ndarray
        Orthonormal rows.
    ratio_R : ndarray
        Share of the variance of the fitted set that each of all its R components explains.
    """

    mean_D: np.ndarray
    components_kD: np.ndarray
    ratio_R: np.ndarray

    def project(self, points_ND: np.ndarray) -> np.ndarray:
        """Points in the coordinates of the components, shape (N, k)."""
        return (points_ND - self.mean_D) @ self.components_kD.T

    def share(self, points_ND: np.ndarray) -> float:
        """Share of the variance of other points that the k components carry."""
        total = points_ND.var(axis=0).sum()
        return float(self.project(points_ND).var(axis=0).sum() / total) if total else 0.0


def fit(points_ND: np.ndarray, components: int) -> Reduction:
    """Fit principal components.

    Parameters
    ----------
    points_ND : ndarray
    components : int
        k.

    Raises
    ------
    SERError
        If the points are not finite, all equal, or span fewer than k dimensions.

    Examples
    --------
    >>> line = fit(np.array([[0.0, 0.0], [3.0, 4.0]]), 1)
    >>> line.ratio_R.round(3).tolist(), float(np.ptp(line.project(np.array([[0, 0], [3, 4]]))))
    ([1.0], 5.0)
    """
    if not np.isfinite(points_ND).all():
        bad = int((~np.isfinite(points_ND).all(axis=1)).sum())
        raise SERError(f"{bad} of {len(points_ND)} points are NaN or infinite.")
    if not np.ptp(points_ND, axis=0).any():
        raise SERError(f"All {len(points_ND)} points are equal: the model tells nothing apart.")
    found = PCA(svd_solver="full").fit(points_ND)
    # As numpy.linalg.matrix_rank counts.
    least = found.singular_values_[0] * max(points_ND.shape) * np.finfo(np.float64).eps
    rank = int((found.singular_values_ > least).sum())
    if components > rank:
        raise SERError(
            f"{components} components asked of {len(points_ND)} points in "
            f"{points_ND.shape[1]} dimensions, which span {rank}; give --components {rank} or "
            "fewer."
        )
    return Reduction(
        mean_D=found.mean_,
        components_kD=found.components_[:components],
        ratio_R=found.explained_variance_ratio_[:rank],
    )


def as_they_are(points_ND: np.ndarray) -> Reduction:
    """No reduction: the axes of a plane that mean something already."""
    variance_D = points_ND.var(axis=0)
    total = variance_D.sum()
    if not total:
        raise SERError(f"All {len(points_ND)} points are equal: the model tells nothing apart.")
    size = points_ND.shape[1]
    return Reduction(np.zeros(size), np.eye(size), variance_D / total)


def components_for(ratio_R: np.ndarray, shares: Sequence[float] = SHARES) -> list[int]:
    """How many components carry each share of the variance.

    Examples
    --------
    >>> components_for(np.array([0.5, 0.3, 0.15, 0.05]))
    [2, 2, 3]
    """
    cumulative = np.cumsum(ratio_R)
    # A share that is met but for rounding is met.
    return [int(np.searchsorted(cumulative, share - 1e-9) + 1) for share in shares]


@dataclass(frozen=True)
class SetMap:
    """One judged set of one model.

    Attributes
    ----------
    judged : EmbeddingSet
    fitted_on : EmbeddingSet
        The set that components and placement were fitted on: what the model was trained on
        where its embeddings are there, or else the first set.
    reductions : dict
        Part -> Reduction.
    """

    judged: EmbeddingSet
    fitted_on: EmbeddingSet
    reductions: dict[str, Reduction]

    @property
    def same(self) -> bool:
        """Whether the set is judged by fits on itself, and so by speakers left out."""
        return self.judged.name == self.fitted_on.name

    @property
    def emotions(self) -> list[str]:
        """Those of the judged set."""
        return self.judged.emotions

    def reduced(self, part: str) -> np.ndarray:
        """Points of the judged set, shape (N, k)."""
        return self.reductions[part].project(self.judged.clouds[part].points_ND)

    def fitting(self, part: str) -> Cloud:
        """What is fitted on, reduced, with the emotions that the judged set has, too."""
        cloud = self.fitted_on.clouds[part]
        place = {e: n for n, e in enumerate(self.emotions)}
        index = np.array([place.get(e, -1) for e in self.fitted_on.emotions])
        reduced = replace(
            cloud,
            points_ND=self.reductions[part].project(cloud.points_ND),
            emotion_N=index[cloud.emotion_N],
        )
        return reduced.take(reduced.emotion_N >= 0)


def map_sets(
    sets: Mapping[str, EmbeddingSet], space: str, components: int
) -> dict[str, SetMap]:
    """Fit components in every part and map every judged set.

    Parameters
    ----------
    sets : mapping
        Judged sets first, then what the model was trained on.
    space : {"embedding", "va"}
        Valence and arousal are a plane already and are not reduced.
    components : int
        k.
    """
    judged = {name: found for name, found in sets.items() if found.role == "test"} or sets
    trained = [found for name, found in sets.items() if name not in judged]
    maps = {}
    for name, found in judged.items():
        fitted_on = _fitted_on([*trained, *judged.values()], found)
        reductions = {}
        for part in found.clouds:
            points_ND = fitted_on.clouds[part].points_ND
            try:
                reductions[part] = (
                    as_they_are(points_ND) if space == "va" else fit(points_ND, components)
                )
            except SERError as error:
                raise SERError(f"{fitted_on.name}, {part}: {error}") from error
        maps[name] = SetMap(found, fitted_on, reductions)
    return maps


def _fitted_on(candidates: list[EmbeddingSet], judged: EmbeddingSet) -> EmbeddingSet:
    """The first set that holds every part of the judged one."""
    return next(found for found in candidates if found.clouds.keys() >= judged.clouds.keys())

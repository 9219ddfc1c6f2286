"""Principal components, fitted on one set and applied to others.

Axes: N utterances, D dimensions of the space, k components kept, R all components.
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
    """A fitted reduction."""

    mean_D: np.ndarray
    components_kD: np.ndarray  # orthonormal rows
    ratio_R: np.ndarray  # share of the fitted set's variance explained by each component

    def project(self, points_ND: np.ndarray) -> np.ndarray:
        """Points in the coordinates of the components, shape (N, k)."""
        return (points_ND - self.mean_D) @ self.components_kD.T

    def share(self, points_ND: np.ndarray) -> float:
        """Share of the variance of other points that the k components explain."""
        total = points_ND.var(axis=0).sum()
        return float(self.project(points_ND).var(axis=0).sum() / total) if total else 0.0


@dataclass(frozen=True)
class ReducedSet:
    """One test set of one model in components."""

    test: EmbeddingSet
    # The set that components and placement are fitted on: the model's training set where its
    # embeddings are there, otherwise the first test set.
    fitted_on: EmbeddingSet
    reductions: dict[str, Reduction]  # by part

    @property
    def fitted_on_itself(self) -> bool:
        """Whether fits must exclude the speakers that they are tested on."""
        return self.test.name == self.fitted_on.name

    @property
    def emotions(self) -> list[str]:
        """Those of the test set."""
        return self.test.emotions

    def points(self, part: str) -> np.ndarray:
        """Reduced points of the test set, shape (N, k)."""
        return self.reductions[part].project(self.test.clouds[part].points_ND)

    def fit_cloud(self, part: str) -> Cloud:
        """The reduced points to fit on, of those emotions that the test set also has."""
        cloud = self.fitted_on.clouds[part]
        place = {emotion: n for n, emotion in enumerate(self.emotions)}
        index = np.array([place.get(emotion, -1) for emotion in self.fitted_on.emotions])
        reduced = replace(
            cloud,
            points_ND=self.reductions[part].project(cloud.points_ND),
            emotion_N=index[cloud.emotion_N],
        )
        return reduced.take(reduced.emotion_N >= 0)


def reduce_sets(
    sets: Mapping[str, EmbeddingSet], space: str, components: int
) -> dict[str, ReducedSet]:
    """Fit components in every part and reduce every test set.

    Training sets are fitted on and not tested. Valence and arousal (``space="va"``) are a
    plane already and are not reduced.
    """
    tests = {name: one for name, one in sets.items() if one.role == "test"} or sets
    candidates = [*(one for name, one in sets.items() if name not in tests), *tests.values()]
    reduced = {}
    for name, test in tests.items():
        # The first set that has every part of the test set.
        fitted_on = next(one for one in candidates if one.clouds.keys() >= test.clouds.keys())
        reductions = {}
        for part in test.clouds:
            points_ND = fitted_on.clouds[part].points_ND
            try:
                reductions[part] = (
                    keep_axes(points_ND) if space == "va" else fit(points_ND, components)
                )
            except SERError as error:
                raise SERError(f"{fitted_on.name}, {part}: {error}") from error
        reduced[name] = ReducedSet(test, fitted_on, reductions)
    return reduced


def fit(points_ND: np.ndarray, components: int) -> Reduction:
    """Fit principal components.

    Raises
    ------
    SERError
        If the points are not finite, all equal, or span fewer dimensions than that.

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
        raise _all_equal(points_ND)
    found = PCA(svd_solver="full").fit(points_ND)
    # The rank, with the tolerance of numpy.linalg.matrix_rank.
    least = found.singular_values_[0] * max(points_ND.shape) * np.finfo(np.float64).eps
    rank = int((found.singular_values_ > least).sum())
    if components > rank:
        count, size = points_ND.shape
        raise SERError(
            f"Cannot fit {components} components: {count} points in {size} dimensions span "
            f"only {rank}. Use --components {rank} or fewer."
        )
    return Reduction(
        found.mean_, found.components_[:components], found.explained_variance_ratio_[:rank]
    )


def keep_axes(points_ND: np.ndarray) -> Reduction:
    """No reduction, for a plane whose axes have a meaning already."""
    variance_D = points_ND.var(axis=0)
    if not variance_D.any():
        raise _all_equal(points_ND)
    size = points_ND.shape[1]
    return Reduction(np.zeros(size), np.eye(size), variance_D / variance_D.sum())


def _all_equal(points_ND: np.ndarray) -> SERError:
    return SERError(f"All {len(points_ND)} points are equal, so there is nothing to analyse.")


def components_for(ratio_R: np.ndarray, shares: Sequence[float] = SHARES) -> list[int]:
    """How many components explain each share of the variance.

    Examples
    --------
    >>> components_for(np.array([0.5, 0.3, 0.15, 0.05]))
    [2, 2, 3]
    """
    # The tolerance: a share that is reached but for a rounding error counts as reached.
    return [int(np.searchsorted(np.cumsum(ratio_R), s - 1e-9) + 1) for s in shares]

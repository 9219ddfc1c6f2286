"""Principal components, one Gaussian per emotion in them, and the distances between these.

Distances are functions of moments (counts, sums, sums of products), so that a resample of
speakers or a permutation of labels only weights the same utterances differently.

Axes: N utterances, D dimensions of the space, R all components, k components kept, E emotions,
X any leading axes (resamples, permutations).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from sklearn.decomposition import PCA

from ser_brain.analysis.circumplex.data import (
    Cloud,
    Draws,
    EmbeddingSet,
    Estimate,
    basic_estimate,
    mean_over_parts,
)
from ser_brain.core.errors import SERError

SHARES = (0.6, 0.8, 0.95)  # of the variance
KINDS = ("shared", "own", "bhattacharyya")
FLAT = 1e-12  # a variance this small, relative to the mean square, is rounding error


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
                reductions[part] = fit(points_ND, None if space == "va" else components)
            except SERError as error:
                raise SERError(f"{fitted_on.name}, {part}: {error}") from error
        reduced[name] = ReducedSet(test, fitted_on, reductions)
    return reduced


def fit(points_ND: np.ndarray, components: int | None) -> Reduction:
    """Fit principal components, or keep the axes where ``components`` is None.

    Points that are not finite, all equal, or span fewer dimensions than that are an error.
    """
    count, size = points_ND.shape
    bad = int((~np.isfinite(points_ND).all(axis=1)).sum())
    if bad:
        raise SERError(f"{bad} of {count} points are NaN or infinite.")
    if not np.ptp(points_ND, axis=0).any():
        raise SERError(f"All {count} points are equal, so there is nothing to analyse.")
    if components is None:
        variance_D = points_ND.var(axis=0)
        return Reduction(np.zeros(size), np.eye(size), variance_D / variance_D.sum())
    found = PCA(svd_solver="full").fit(points_ND)
    # The rank, with the tolerance of numpy.linalg.matrix_rank.
    least = found.singular_values_[0] * max(points_ND.shape) * np.finfo(np.float64).eps
    rank = int((found.singular_values_ > least).sum())
    if components > rank:
        raise SERError(
            f"Cannot fit {components} components: {count} points in {size} dimensions span "
            f"only {rank}. Use --components {rank} or fewer."
        )
    return Reduction(
        found.mean_, found.components_[:components], found.explained_variance_ratio_[:rank]
    )


def components_for(ratio_R: np.ndarray) -> list[int]:
    """How many components explain each of the ``SHARES`` of the variance.

    Examples
    --------
    >>> components_for(np.array([0.5, 0.3, 0.15, 0.05]))
    [2, 2, 3]
    """
    # The tolerance: a share that is reached but for a rounding error counts as reached.
    return [int(np.searchsorted(np.cumsum(ratio_R), s - 1e-9) + 1) for s in SHARES]


@dataclass(frozen=True)
class Moments:
    """Sums over the utterances of each emotion."""

    n_XE: np.ndarray  # number of utterances
    sum_XEk: np.ndarray  # sum of their points
    product_XEkk: np.ndarray  # sum of the outer products

    @property
    def means_XEk(self) -> np.ndarray:
        """Centroids; NaN where an emotion has no utterance."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sum_XEk / self.n_XE[..., None]

    def resampled(self, counts_BS: np.ndarray) -> Moments:
        """Moments of resamples, where X is the speaker, from how often each was drawn."""
        sums = (self.n_XE, self.sum_XEk, self.product_XEkk)
        return Moments(*(np.tensordot(counts_BS, one, axes=1) for one in sums))


def moments(points_Nk: np.ndarray, emotion_N: np.ndarray, emotions: int) -> Moments:
    """Moments of the points of each emotion."""
    one = moments_by_speaker(points_Nk, emotion_N, emotions, np.zeros_like(emotion_N), 1)
    return Moments(one.n_XE[0], one.sum_XEk[0], one.product_XEkk[0])


def moments_by_speaker(
    points_Nk: np.ndarray,
    emotion_N: np.ndarray,
    emotions: int,
    speaker_N: np.ndarray,
    speakers: int,
) -> Moments:
    """Moments of each speaker's points of each emotion; X is the speaker."""
    group_N = speaker_N * emotions + emotion_N
    products_Nkk = points_Nk[:, :, None] * points_Nk[:, None, :]
    sums = []
    for values in (np.ones(len(points_Nk)), points_Nk, products_Nkk):
        summed = np.zeros((speakers * emotions, *values.shape[1:]))
        np.add.at(summed, group_N, values)
        sums.append(summed.reshape(speakers, emotions, *values.shape[1:]))
    return Moments(*sums)


def moments_of_labels(points_Nk: np.ndarray, emotion_PN: np.ndarray, emotions: int) -> Moments:
    """Moments under other labels; X is the labelling."""
    size = points_Nk.shape[1]
    products_Nkk = points_Nk[:, :, None] * points_Nk[:, None, :]
    columns = [np.ones((len(points_Nk), 1)), points_Nk, products_Nkk.reshape(-1, size**2)]
    columns_NK = np.hstack(columns)
    sums_PEK = np.stack([(emotion_PN == e) @ columns_NK for e in range(emotions)], axis=1)
    product_PEkk = sums_PEK[..., 1 + size :].reshape(*sums_PEK.shape[:2], size, size)
    return Moments(sums_PEK[..., 0], sums_PEK[..., 1 : 1 + size], product_PEkk)


def moments_of_parts(reduced: ReducedSet) -> dict[str, Moments]:
    """Moments of every part; an error names emotions whose points all coincide."""
    found = {}
    for part, cloud in reduced.test.clouds.items():
        found[part] = moments(reduced.points(part), cloud.emotion_N, len(reduced.emotions))
        own_Ekk, _ = covariances(found[part])
        flat_E = np.isnan(own_Ekk).any(axis=(1, 2))
        if flat_E.any():
            names = ", ".join(np.array(reduced.emotions)[flat_E])
            raise SERError(
                f"Singular covariance on {reduced.test.name}, {part}: all points of {names} "
                "coincide. Exclude the emotion, or check its embeddings."
            )
    return found


def resampled_moments(reduced: ReducedSet, draws: Draws) -> dict[str, Moments]:
    """Moments of every part; X is the resample."""
    size, count = len(reduced.emotions), draws.clusters.count
    return {
        part: moments_by_speaker(
            reduced.points(part), cloud.emotion_N, size, draws.clusters_of(cloud), count
        ).resampled(draws.counts_BS)
        for part, cloud in reduced.test.clouds.items()
    }


def covariances(found: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Shrunk covariance of every emotion (X, E, k, k), and the one they share (X, k, k).

    Oracle-approximating shrinkage (Chen, Wiesel, Eldar and Hero 2010, IEEE Trans. Signal
    Process. 58(10), equation 23 without its terms in 2/p, like ``sklearn.covariance.oas``, but
    for many resamples at once). It shrinks towards the multiple of the identity with the same
    trace, so that few utterances in many dimensions still give an invertible matrix. NaN where
    an emotion has fewer than two utterances, or no variance.
    """
    means_XEk = np.nan_to_num(found.means_XEk)
    squares_XEkk = means_XEk[..., :, None] * means_XEk[..., None, :]
    scatter_XEkk = found.product_XEkk - found.n_XE[..., None, None] * squares_XEkk
    own_XEkk = _shrink(scatter_XEkk, found.product_XEkk, found.n_XE)
    sums = scatter_XEkk.sum(axis=-3), found.product_XEkk.sum(axis=-3), found.n_XE.sum(axis=-1)
    return own_XEkk, _shrink(*sums)


def _shrink(scatter_Xkk: np.ndarray, product_Xkk: np.ndarray, n_X: np.ndarray) -> np.ndarray:
    size = scatter_Xkk.shape[-1]
    covariance_Xkk = scatter_Xkk / np.maximum(n_X, 1)[..., None, None]
    mean_square_X = (covariance_Xkk**2).mean(axis=(-2, -1))
    variance_X = np.trace(covariance_Xkk, axis1=-2, axis2=-1) / size
    above_X = mean_square_X + variance_X**2
    below_X = (n_X + 1) * (mean_square_X - variance_X**2 / size)
    weight_X = np.divide(above_X, below_X, out=np.ones_like(above_X), where=below_X > 0)
    weight_X11 = np.minimum(weight_X, 1)[..., None, None]
    target_Xkk = variance_X[..., None, None] * np.eye(size)
    shrunk_Xkk = (1 - weight_X11) * covariance_Xkk + weight_X11 * target_Xkk
    level_X = np.trace(product_Xkk, axis1=-2, axis2=-1) / np.maximum(n_X, 1) / size
    shrunk_Xkk[variance_X <= FLAT * level_X] = np.nan
    return shrunk_Xkk


def distances(found: Moments) -> dict[str, np.ndarray]:
    """Distances between the Gaussians of every two emotions, by kind, each (X, E, E).

    ``shared``: Mahalanobis distance under the covariance that all emotions share. ``own``:
    under the mean of the two emotions' own covariances, which makes it symmetric.
    ``bhattacharyya``: Bhattacharyya distance, which also separates Gaussians with one centre
    and different shapes (Fukunaga 1990, Introduction to Statistical Pattern Recognition,
    equation 3.152). NaN where undefined.
    """
    own_XEkk, _ = covariances(found)
    between_XEEkk = (own_XEkk[..., :, None, :, :] + own_XEkk[..., None, :, :, :]) / 2
    squared_XEE = _squared_distances(found, between_XEEkk)
    with np.errstate(invalid="ignore"):  # NaN where a Gaussian is undefined
        log_det_XE = np.linalg.slogdet(own_XEkk)[1]
        log_det_XEE = np.linalg.slogdet(between_XEEkk)[1]
    shapes_XEE = log_det_XEE - (log_det_XE[..., :, None] + log_det_XE[..., None, :]) / 2
    return {
        "shared": shared_distances(found),
        "own": np.sqrt(squared_XEE),
        "bhattacharyya": squared_XEE / 8 + shapes_XEE / 2,
    }


def shared_distances(found: Moments) -> np.ndarray:
    """The first of these distances alone."""
    _, shared_Xkk = covariances(found)
    return np.sqrt(_squared_distances(found, shared_Xkk[..., None, None, :, :]))


def _squared_distances(found: Moments, covariance_XEEkk: np.ndarray) -> np.ndarray:
    means_XEk = found.means_XEk
    difference_XEEk = means_XEk[..., :, None, :] - means_XEk[..., None, :, :]
    shape = (*difference_XEEk.shape, difference_XEEk.shape[-1])
    covariance_XEEkk = np.broadcast_to(covariance_XEEkk, shape)
    with np.errstate(invalid="ignore"):
        solved_XEEk = np.linalg.solve(covariance_XEEkk, difference_XEEk[..., None])[..., 0]
    # Rounding can make the square of a distance of 0 negative.
    return np.maximum((difference_XEEk * solved_XEEk).sum(axis=-1), 0)


def pairwise_distances(
    emotions: list[str],
    of_parts: Mapping[str, Moments],
    resampled: Mapping[str, Moments],
    draws: Draws,
) -> tuple[dict, np.ndarray]:
    """Distances between all emotions, as means over the parts; and their mean_B.

    The results are ``pairs``, the farthest first: ``between``, and an estimate for each kind
    of distance; ``mean``: mean shared distance over the pairs; ``parts``: the same in every
    part. mean_B is that mean on every resample.
    """
    first, second = np.triu_indices(len(emotions), 1)
    found = {part: distances(one) for part, one in of_parts.items()}
    drawn = [distances(one) for one in resampled.values()]
    values, draws_of = (
        {kind: mean_over_parts(d[kind] for d in each)[..., first, second] for kind in KINDS}
        for each in (found.values(), drawn)
    )
    pairs = [
        {
            "between": [emotions[i], emotions[j]],
            **{k: _distance(values[k][n], draws_of[k][:, n], draws) for k in KINDS},
        }
        for n, (i, j) in enumerate(zip(first, second, strict=True))
    ]
    pairs.sort(key=lambda pair: -pair["shared"]["value"])
    mean_B = draws_of["shared"].mean(axis=1)
    results = {
        "pairs": pairs,
        "mean": _distance(values["shared"].mean(), mean_B, draws),
        "parts": {part: float(d["shared"][first, second].mean()) for part, d in found.items()},
    }
    return results, mean_B


def _distance(value: float, draws_B: np.ndarray, draws: Draws) -> Estimate:
    found = basic_estimate(value, draws_B, draws)
    return found if found["low"] is None else {**found, "low": max(found["low"], 0.0)}

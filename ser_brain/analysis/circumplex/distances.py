"""One Gaussian per emotion, and the distances between them.

Everything is a function of moments (counts, sums, sums of products), so that a resample of
speakers or a permutation of labels only weights the same utterances differently.

Axes: N utterances, E emotions, k components, X any leading axes (resamples, permutations).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser_brain.analysis.circumplex.bootstrap import (
    Draws,
    Estimate,
    basic_estimate,
    mean_over_parts,
)
from ser_brain.analysis.circumplex.components import ReducedSet
from ser_brain.core.errors import SERError

KINDS = ("shared", "own", "bhattacharyya")
FLAT = 1e-12  # a variance this small, relative to the mean square, is rounding error


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

    def __getitem__(self, index) -> Moments:
        return Moments(self.n_XE[index], self.sum_XEk[index], self.product_XEkk[index])

    def resampled(self, counts_BS: np.ndarray) -> Moments:
        """Moments of resamples, where X is the speaker, from how often each was drawn."""
        sums = (self.n_XE, self.sum_XEk, self.product_XEkk)
        return Moments(*(np.tensordot(counts_BS, one, axes=1) for one in sums))


def moments(points_Nk: np.ndarray, emotion_N: np.ndarray, emotions: int) -> Moments:
    """Moments of the points of each emotion."""
    return moments_by_speaker(points_Nk, emotion_N, emotions, np.zeros_like(emotion_N), 1)[0]


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
    """Moments of every part.

    Raises
    ------
    SERError
        If an emotion has no Gaussian in some part.
    """
    found = {}
    for part, cloud in reduced.test.clouds.items():
        found[part] = moments(reduced.points(part), cloud.emotion_N, len(reduced.emotions))
        require_gaussians(found[part], reduced.emotions, f"{reduced.test.name}, {part}")
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


def require_gaussians(found: Moments, emotions: Sequence[str], where: str) -> None:
    """Stop where the points of an emotion coincide, naming the emotion."""
    own_Ekk, _ = covariances(found)
    flat = [e for e, own_kk in zip(emotions, own_Ekk, strict=True) if np.isnan(own_kk).any()]
    if flat:
        raise SERError(
            f"Singular covariance on {where}: all points of {', '.join(flat)} coincide. "
            "Exclude the emotion, or check its embeddings."
        )


def covariances(found: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Shrunk covariance of every emotion, and the one they share about their centroids.

    Oracle-approximating shrinkage (Chen, Wiesel, Eldar and Hero 2010, IEEE Trans. Signal
    Process. 58(10), equation 23 without its terms in 2/p, like ``sklearn.covariance.oas``, but
    for many resamples at once). It shrinks towards the multiple of the identity with the same
    trace, so that few utterances in many dimensions still give an invertible matrix.

    Returns
    -------
    own_XEkk, shared_Xkk : ndarray
        NaN where an emotion has fewer than two utterances, or no variance.
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
    """Distances between the Gaussians of every two emotions.

    Returns
    -------
    dict
        ``shared``: Mahalanobis distance under the covariance that all emotions share.
        ``own``: under the mean of the two emotions' own covariances, which makes it
        symmetric. ``bhattacharyya``: Bhattacharyya distance, which also separates Gaussians
        with one centre and different shapes (Fukunaga 1990, Introduction to Statistical
        Pattern Recognition, equation 3.152). Each of shape (X, E, E); NaN where undefined.
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
    """Mahalanobis distances under the covariance that all emotions share, (X, E, E)."""
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
    """Distances between all emotions, as means over the parts.

    Returns
    -------
    results : dict
        ``pairs``, the farthest first: ``between``, and an estimate for each kind of distance;
        ``mean``: mean shared distance over the pairs; ``parts``: the same in every part.
    mean_B : ndarray
        The mean on every resample.
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

"""One Gaussian per emotion, and how far the emotions lie apart.

Everything is a function of moments (counts, sums, sums of products), so that a resample of
speakers or a permutation of labels is only another weighing of the same utterances.

Axes: N utterances, E emotions, k components, X any leading axes (resamples, permutations).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser_brain.analysis.circumplex.bootstrap import Draws, mean_over_parts, mirrored
from ser_brain.analysis.circumplex.components import SetMap
from ser_brain.core.errors import SERError

# A variance this small beside the mean square is what rounding leaves of none.
FLAT = 1e-12


@dataclass(frozen=True)
class Moments:
    """Sums over the utterances of each emotion.

    Attributes
    ----------
    n_XE : ndarray
        Utterances.
    sum_XEk : ndarray
        Sum of their points.
    product_XEkk : ndarray
        Sum of the outer products.
    """

    n_XE: np.ndarray
    sum_XEk: np.ndarray
    product_XEkk: np.ndarray

    @property
    def means_XEk(self) -> np.ndarray:
        """Centroids; NaN where an emotion has no utterance."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sum_XEk / self.n_XE[..., None]

    def __getitem__(self, index) -> Moments:
        return Moments(self.n_XE[index], self.sum_XEk[index], self.product_XEkk[index])

    def weighed(self, counts_BS: np.ndarray) -> Moments:
        """Moments of resamples, where X is the speaker and each was drawn so often."""
        return Moments(
            *(
                np.tensordot(counts_BS, sums, axes=1)
                for sums in (self.n_XE, self.sum_XEk, self.product_XEkk)
            )
        )


def moments(points_Nk: np.ndarray, emotion_N: np.ndarray, emotions: int) -> Moments:
    """Moments of the points of each emotion."""
    return moments_by(points_Nk, emotion_N, emotions, np.zeros_like(emotion_N), 1)[0]


def moments_by(
    points_Nk: np.ndarray,
    emotion_N: np.ndarray,
    emotions: int,
    speaker_N: np.ndarray,
    speakers: int,
) -> Moments:
    """Moments of the points of each speaker's each emotion; X is the speaker."""
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


def covariances(found: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Shrunk covariance of every emotion, and the one that all share about their centroids.

    Oracle-approximating shrinkage (Chen, Wiesel, Eldar and Hero 2010, IEEE Trans. Signal
    Process. 58(10), equation 23 without its terms in 2/p, as ``sklearn.covariance.oas`` has
    it, but for any number of resamples at once): towards the multiple of the identity with the
    same trace, so that few utterances in many dimensions still give an invertible matrix.

    Returns
    -------
    own_XEkk, shared_Xkk : ndarray
        NaN where an emotion has fewer than two utterances, or none of them varies.
    """
    means_XEk = np.nan_to_num(found.means_XEk)
    squares_XEkk = means_XEk[..., :, None] * means_XEk[..., None, :]
    scatter_XEkk = found.product_XEkk - found.n_XE[..., None, None] * squares_XEkk
    own_XEkk = _shrunk(scatter_XEkk, found.product_XEkk, found.n_XE)
    sums = scatter_XEkk.sum(axis=-3), found.product_XEkk.sum(axis=-3), found.n_XE.sum(axis=-1)
    return own_XEkk, _shrunk(*sums)


def _shrunk(scatter_Xkk: np.ndarray, product_Xkk: np.ndarray, n_X: np.ndarray) -> np.ndarray:
    size = scatter_Xkk.shape[-1]
    covariance_Xkk = scatter_Xkk / np.maximum(n_X, 1)[..., None, None]
    mean_square_X = (covariance_Xkk**2).mean(axis=(-2, -1))
    variance_X = np.trace(covariance_Xkk, axis1=-2, axis2=-1) / size
    above_X = mean_square_X + variance_X**2
    below_X = (n_X + 1) * (mean_square_X - variance_X**2 / size)
    towards_X = np.divide(above_X, below_X, out=np.ones_like(above_X), where=below_X > 0)
    towards_X11 = np.minimum(towards_X, 1)[..., None, None]
    target_Xkk = variance_X[..., None, None] * np.eye(size)
    shrunk_Xkk = (1 - towards_X11) * covariance_Xkk + towards_X11 * target_Xkk
    level_X = np.trace(product_Xkk, axis1=-2, axis2=-1) / np.maximum(n_X, 1) / size
    shrunk_Xkk[variance_X <= FLAT * level_X] = np.nan
    return shrunk_Xkk


def require_spread(found: Moments, emotions: Sequence[str], where: str) -> None:
    """Stop where an emotion's points are all one point, or too few for a Gaussian.

    Raises
    ------
    SERError
        Naming the emotions.
    """
    own_Ekk, _ = covariances(found)
    flat = [e for e, own_kk in zip(emotions, own_Ekk, strict=True) if np.isnan(own_kk).any()]
    if flat:
        raise SERError(
            f"Singular covariance on {where}: the points of {', '.join(flat)} are all one "
            "point, or a single one. Leave that emotion out, or look at its embeddings."
        )


def shared_distances(found: Moments) -> np.ndarray:
    """Mahalanobis distances under the covariance that all emotions share, (X, E, E)."""
    _, shared_Xkk = covariances(found)
    apart_XEEk = _apart(found)
    shape = (*apart_XEEk.shape, apart_XEEk.shape[-1])
    shared_XEEkk = np.broadcast_to(shared_Xkk[..., None, None, :, :], shape)
    return np.sqrt(_squared_lengths(apart_XEEk, shared_XEEkk))


def distances(found: Moments) -> dict[str, np.ndarray]:
    """Distances between the Gaussians of every two emotions.

    Returns
    -------
    dict
        ``shared``: Mahalanobis distance under the covariance that all emotions share.
        ``own``: under the mean of the two emotions' own covariances, which makes it
        symmetric. ``bhattacharyya``: Bhattacharyya distance, which also tells Gaussians of one
        centre and different shapes apart (Fukunaga 1990, Introduction to Statistical Pattern
        Recognition, equation 3.152). Each of shape (X, E, E); NaN where undefined.
    """
    own_XEkk, _ = covariances(found)
    between_XEEkk = (own_XEkk[..., :, None, :, :] + own_XEkk[..., None, :, :, :]) / 2
    squared_XEE = _squared_lengths(_apart(found), between_XEEkk)
    with np.errstate(invalid="ignore"):  # NaN where a Gaussian is undefined
        log_det_XE = np.linalg.slogdet(own_XEkk)[1]
        log_det_XEE = np.linalg.slogdet(between_XEEkk)[1]
    shapes_XEE = log_det_XEE - (log_det_XE[..., :, None] + log_det_XE[..., None, :]) / 2
    return {
        "shared": shared_distances(found),
        "own": np.sqrt(squared_XEE),
        "bhattacharyya": squared_XEE / 8 + shapes_XEE / 2,
    }


def _apart(found: Moments) -> np.ndarray:
    means_XEk = found.means_XEk
    return means_XEk[..., :, None, :] - means_XEk[..., None, :, :]


def _squared_lengths(apart_Xk: np.ndarray, covariance_Xkk: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        solved_Xk = np.linalg.solve(covariance_Xkk, apart_Xk[..., None])[..., 0]
    return np.maximum((apart_Xk * solved_Xk).sum(axis=-1), 0)


KINDS = ("shared", "own", "bhattacharyya")


def of_parts(found: SetMap) -> dict[str, Moments]:
    """Moments of every part.

    Raises
    ------
    SERError
        If an emotion has no Gaussian in some part.
    """
    moments_of = {}
    for part, cloud in found.judged.clouds.items():
        moments_of[part] = moments(found.reduced(part), cloud.emotion_N, len(found.emotions))
        require_spread(moments_of[part], found.emotions, f"{found.judged.name}, {part}")
    return moments_of


def of_resamples(found: SetMap, draws: Draws) -> dict[str, Moments]:
    """Moments of every part, X the resample."""
    count = draws.clusters.count
    return {
        part: moments_by(
            found.reduced(part), cloud.emotion_N, len(found.emotions), draws.of(cloud), count
        ).weighed(draws.counts_BS)
        for part, cloud in found.judged.clouds.items()
    }


def pairwise(
    emotions: list[str],
    of_part: Mapping[str, Moments],
    resampled: Mapping[str, Moments],
    draws: Draws,
) -> tuple[dict, dict[str, np.ndarray], np.ndarray]:
    """Distances between all emotions, as means over the parts.

    Returns
    -------
    results : dict
        ``pairs``, the farthest first: ``between``, and for each kind of distance its estimate;
        ``mean``: the mean shared distance over the pairs.
    per_part : dict
        Part -> its mean shared distance.
    draws_B : ndarray
        The mean on every resample.
    """
    first, second = np.triu_indices(len(emotions), 1)
    of_parts_found = {part: distances(m) for part, m in of_part.items()}
    values = {
        kind: mean_over_parts(d[kind] for d in of_parts_found.values())[first, second]
        for kind in KINDS
    }
    drawn = [distances(m) for m in resampled.values()]
    drawn_of = {
        kind: mean_over_parts(d[kind] for d in drawn)[:, first, second] for kind in KINDS
    }
    pairs = [
        {
            "between": [emotions[i], emotions[j]],
            **{kind: _distance(values[kind][n], drawn_of[kind][:, n], draws) for kind in KINDS},
        }
        for n, (i, j) in enumerate(zip(first, second, strict=True))
    ]
    pairs.sort(key=lambda pair: -pair["shared"]["value"])
    mean_B = drawn_of["shared"].mean(axis=1)
    per_part = {
        part: float(d["shared"][first, second].mean()) for part, d in of_parts_found.items()
    }
    return (
        {"pairs": pairs, "mean": _distance(values["shared"].mean(), mean_B, draws)},
        per_part,
        mean_B,
    )


def _distance(value: float, draws_B: np.ndarray, draws: Draws) -> dict[str, float | None]:
    found = mirrored(value, draws_B, draws)
    return found if found["low"] is None else {**found, "low": max(found["low"], 0.0)}

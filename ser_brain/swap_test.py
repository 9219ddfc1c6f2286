"""The swap test: is one model better than another on the same speakers, or was it luck?

Were both equally good, each speaker's answers might as well have come from the other model.
Both models' answers of a whole speaker are swapped, for every set of speakers or for a random
choice of sets; p is the share of sets whose difference is at least as large as the observed one
(a permutation test for pairs, also "approximate randomisation": Yeh 2000, COLING, section 3).
The unit is the speaker, because utterances of one speaker go wrong together.

scipy.stats.permutation_test finds the same p for one metric at a time; here one set of swaps
serves every metric, as the bootstrap's resamples do.

Axes: N utterances, S clusters (speakers), P swaps, p a few of them, K summed statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ser_brain.bootstrap import COUNTS_AT_ONCE, Clusters

# Up to here every set of swaps is tried: 2 ** 14, one of each pair of mirror images.
EXACT_UP_TO = 15
SWAPS = 9_999
ALPHA = 0.05
# Differences closer than this, relative to the observed one, are equal but for rounding.
TIE = 1e-9


def swap_test(
    one_NK: np.ndarray,
    other_NK: np.ndarray,
    clusters: Clusters,
    metrics: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    rng: np.random.Generator,
) -> dict[str, float | None]:
    """Two-sided p of the difference of every metric between two models.

    Parameters
    ----------
    one_NK, other_NK : ndarray
        Statistics of the same utterances under either model.
    clusters : Clusters
        What is swapped as a whole.
    metrics : mapping
        Name -> function of sums over utterances, shape (..., K) -> (...).
    rng : numpy.random.Generator
        Draws the swaps where there are too many to try all.

    Returns
    -------
    dict
        Name -> p; None where the metric is undefined. Exact for up to 15 speakers; beyond,
        (1 + as extreme) / (1 + drawn) (Phipson and Smyth 2010, equation 2). A swap that
        leaves a metric undefined counts as extreme, so that it never makes p smaller.

    Examples
    --------
    >>> from ser_brain.bootstrap import clusters_of
    >>> better, worse = np.ones((6, 1)), np.zeros((6, 1))
    >>> share = {"share": lambda sums_XK: sums_XK[..., 0] / 6}
    >>> swap_test(better, worse, clusters_of("abcdef"), share, np.random.default_rng(0))
    {'share': 0.03125}
    """
    one_K, other_K = one_NK.sum(0), other_NK.sum(0)
    moved_SK = np.zeros((clusters.count, one_NK.shape[1]))
    np.add.at(moved_SK, clusters.index_N, other_NK - one_NK)
    exact = clusters.count <= EXACT_UP_TO
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = {name: abs(float(f(one_K) - f(other_K))) for name, f in metrics.items()}
        extreme, tried = dict.fromkeys(metrics, 0), 0
        for swapped_pS in _every_swap(clusters.count) if exact else _drawn(clusters.count, rng):
            moved_pK = swapped_pS @ moved_SK
            tried += len(swapped_pS)
            for name, function in metrics.items():
                apart_p = np.abs(function(one_K + moved_pK) - function(other_K - moved_pK))
                smaller_p = apart_p < apart[name] * (1 - TIE)
                extreme[name] += int((~smaller_p).sum())
    more = 0 if exact else 1
    return {
        name: (extreme[name] + more) / (tried + more) if np.isfinite(apart[name]) else None
        for name in metrics
    }


def _every_swap(clusters: int) -> Iterator[np.ndarray]:
    """All sets of swapped clusters but for mirror images: the last one stays."""
    numbers_P1 = np.arange(2 ** (clusters - 1))[:, None]
    yield (numbers_P1 >> np.arange(clusters) & 1).astype(np.float64)


def _drawn(clusters: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random sets of swapped clusters, a few at a time."""
    at_once = max(1, COUNTS_AT_ONCE // clusters)
    for start in range(0, SWAPS, at_once):
        shape = min(at_once, SWAPS - start), clusters
        yield rng.integers(2, size=shape, dtype=np.int8).astype(np.float64)


def note(clusters: Clusters) -> str:
    """What to keep in mind when reading p; empty where there is nothing.

    Examples
    --------
    >>> from ser_brain.bootstrap import clusters_of
    >>> note(clusters_of("abcd"))
    'Only 4 speakers: p cannot fall below 0.125, so no difference can reach .05.'
    """
    if clusters.unit != "speaker":
        return "p swaps single utterances for the same reason; it is too small likewise."
    smallest = 0.5 ** (clusters.count - 1)
    if smallest < ALPHA:
        return ""
    return (
        f"Only {clusters.count} speakers: p cannot fall below {smallest:.4g}, so no difference "
        "can reach .05."
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p for several tests (Holm 1979, Scandinavian Journal of Statistics 6).

    Parameters
    ----------
    p_values : sequence
        None is no test and stays None.

    Examples
    --------
    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    order = sorted((p, n) for n, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, n) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[n] = largest
    return adjusted

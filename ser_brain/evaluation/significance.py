"""Intervals: how far a result would move with other speakers.

Utterances of one speaker resemble each other, so whole speakers are drawn with replacement
(the cluster bootstrap: Davison and Hinkley 1997, Bootstrap Methods, section 3.8). A metric is a
function of sums over utterances; drawing speakers then only weighs each speaker's sums.

With few speakers the plain percentile interval is too narrow. The ends are moved outwards as
Hesterberg (2015, The American Statistician 69(4), section 5.3) proposes: the tail is
Phi(-sqrt(S / (S - 1)) * t_{S-1}) instead of 2.5 %. Three speakers remain three speakers.

Axes: N utterances, S clusters (speakers), B resamples, K summed statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

LEVEL = 0.95

# Drawn counts held at once; 4 million of them are 32 MB.
COUNTS_AT_ONCE = 4_000_000

# Below this, intervals rest on so few speakers that a reader should be told.
FEW_SPEAKERS = 10

# With fewer, the bootstrap knows fewer than 40 different samples (of 4 speakers: 35), of which
# none can be a tail of 2.5 %: there is no interval.
FEWEST_FOR_INTERVAL = 5


@dataclass(frozen=True)
class Clusters:
    """What is drawn with replacement.

    Attributes
    ----------
    index_N : ndarray of int
        Cluster of each utterance, 0 to ``count - 1``.
    count : int
    unit : str
        ``speaker`` or ``utterance``.
    note : str
        Why utterances had to be drawn, or that speakers are few; empty otherwise.
    """

    index_N: np.ndarray
    count: int
    unit: str
    note: str


def clusters_of(
    speakers: Sequence[str | None], utterances: Sequence[str] | None = None
) -> Clusters:
    """Cluster predictions by speaker, or by utterance where that cannot be done.

    Parameters
    ----------
    speakers : sequence of str or None
        Of each prediction.
    utterances : sequence of str, optional
        Of each prediction. Several models may predict one utterance; and as clusters are
        numbered by name, what is drawn does not depend on the order of the predictions.

    Examples
    --------
    >>> clusters_of(["a", "b", "a"]).index_N.tolist()
    [0, 1, 0]
    >>> clusters_of(["a", None]).unit
    'utterance'
    >>> clusters_of(["a", "a", "a"], ["x", "y", "x"]).count
    2
    """
    count = len(speakers)
    utterances = range(count) if utterances is None else utterances
    unknown = sum(speaker is None for speaker in speakers)
    number = {speaker: i for i, speaker in enumerate(sorted(set(speakers) - {None}))}
    if count and not unknown and len(number) > 1:
        index_N = np.array([number[speaker] for speaker in speakers], dtype=np.int64)
        note = ""
        if len(number) < FEWEST_FOR_INTERVAL:
            note = (
                f"Only {len(number)} speakers, too few to say how far the numbers would move "
                "with others: no interval is given."
            )
        elif len(number) < FEW_SPEAKERS:
            note = f"Only {len(number)} speakers: take the intervals as a rough guide."
        return Clusters(index_N, len(number), "speaker", note)
    reason = f"the speaker of {unknown} of {count} utterances is unknown"
    if not unknown:
        reason = "there is only one speaker"
    note = (
        f"Intervals draw single utterances because {reason}; they are narrower than new "
        "speakers would show."
    )
    number = {utterance: i for i, utterance in enumerate(sorted(set(utterances)))}
    index_N = np.array([number[utterance] for utterance in utterances], dtype=np.int64)
    return Clusters(index_N, len(number), "utterance", note)


def resample(
    statistics_NK: np.ndarray, clusters: Clusters, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Sums of per-utterance statistics over bootstrap resamples of clusters.

    Parameters
    ----------
    statistics_NK : ndarray
    clusters : Clusters
    resamples : int
        B.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray
        Shape (B, K).

    Examples
    --------
    >>> ones = np.ones((4, 1))
    >>> pairs = clusters_of(["a", "a", "b", "b"])
    >>> resample(ones, pairs, 2, np.random.default_rng(1)).tolist()
    [[4.0], [4.0]]
    """
    sums_SK = np.zeros((clusters.count, statistics_NK.shape[1]))
    np.add.at(sums_SK, clusters.index_N, statistics_NK)
    parts = [counts_bS @ sums_SK for counts_bS in _drawn(clusters.count, resamples, rng)]
    return np.concatenate(parts) if parts else np.zeros((0, statistics_NK.shape[1]))


def _drawn(clusters: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each cluster is drawn, a few resamples at a time."""
    if clusters == 0:
        return
    at_once = max(1, COUNTS_AT_ONCE // clusters)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn_bS = rng.integers(clusters, size=(rows, clusters))
        drawn_bS += clusters * np.arange(rows)[:, None]
        counts = np.bincount(drawn_bS.ravel(), minlength=rows * clusters)
        yield counts.reshape(rows, clusters).astype(np.float64)


def interval(
    estimates_B: np.ndarray, clusters: int, level: float = LEVEL
) -> tuple[float | None, float | None]:
    """Expanded percentile interval.

    Parameters
    ----------
    estimates_B : ndarray
        The metric on every resample; NaN where it is undefined there (left out).
    clusters : int
        How many were drawn from.
    level : float

    Returns
    -------
    tuple
        (low, high), or (None, None) where fewer than five were drawn from, or half of the
        resamples or more are undefined.
    """
    defined = estimates_B[np.isfinite(estimates_B)]
    if (
        clusters < FEWEST_FOR_INTERVAL
        or len(defined) == 0
        or 2 * len(defined) <= len(estimates_B)
    ):
        return None, None
    tail = tail_probability(clusters, level)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def tail_probability(clusters: int, level: float = LEVEL) -> float:
    """Share of resamples outside each end of the interval (Hesterberg 2015, section 5.3).

    Examples
    --------
    >>> round(tail_probability(10), 4), round(tail_probability(100_000), 3)
    (0.0086, 0.025)
    """
    quantile = stdtrit(clusters - 1, (1 - level) / 2)
    return float(ndtr(math.sqrt(clusters / (clusters - 1)) * quantile))


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
    >>> from ser_brain.evaluation.significance import clusters_of
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
        for swapped_pS in (
            _every_swap(clusters.count) if exact else _drawn_swaps(clusters.count, rng)
        ):
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


def _drawn_swaps(clusters: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random sets of swapped clusters, a few at a time."""
    at_once = max(1, COUNTS_AT_ONCE // clusters)
    for start in range(0, SWAPS, at_once):
        shape = min(at_once, SWAPS - start), clusters
        yield rng.integers(2, size=shape, dtype=np.int8).astype(np.float64)


def note(clusters: Clusters) -> str:
    """What to keep in mind when reading p; empty where there is nothing.

    Examples
    --------
    >>> from ser_brain.evaluation.significance import clusters_of
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

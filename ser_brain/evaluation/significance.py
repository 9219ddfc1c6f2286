"""Intervals and p-values: how far a result would vary with other speakers.

Utterances of one speaker resemble each other, so whole speakers are drawn with replacement
(the cluster bootstrap: Davison and Hinkley 1997, Bootstrap Methods, section 3.8). A metric is a
function of sums over utterances, so a draw of speakers only weights each speaker's sums.

With few speakers the plain percentile interval is too narrow. The ends are moved outwards as
Hesterberg (2015, The American Statistician 69(4), section 5.3) proposes: the tail is
Phi(-sqrt(S / (S - 1)) * t_{S-1}) instead of 2.5 %. It makes up for the small number of
speakers, not for an unrepresentative choice of them.

Axes: N utterances, S clusters (speakers), B resamples, P swaps, K summed statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

LEVEL = 0.95
ALPHA = 0.05
COUNTS_AT_ONCE = 4_000_000  # numbers held in memory at once: 32 MB
FEW_SPEAKERS = 10  # below, a reader is warned

# With fewer, the bootstrap has fewer than 40 different samples (of 4 speakers: 35), so none
# can be a tail of 2.5 %, and there is no interval.
FEWEST_FOR_INTERVAL = 5

# Up to this many speakers every set of swaps is tried: 2 ** 14, without mirror images.
EXACT_UP_TO = 15
SWAPS = 9_999
TIE = 1e-9  # relative; closer differences are equal but for rounding


@dataclass(frozen=True)
class Clusters:
    """The units that are drawn with replacement."""

    index_N: np.ndarray  # cluster of each utterance, 0 to count - 1
    count: int
    unit: str  # speaker or utterance
    note: str  # why utterances had to be drawn, or that speakers are few; otherwise empty


def clusters_of(
    speakers: Sequence[str | None], utterances: Sequence[str] | None = None
) -> Clusters:
    """Cluster predictions by speaker, or by utterance where speakers are unknown or only one.

    Several models may predict one utterance. Clusters are numbered by name, so draws do not
    depend on the order of the predictions.
    """
    unknown = sum(speaker is None for speaker in speakers)
    count = len(set(speakers))
    if not unknown and count > 1:
        note = ""
        if count < FEWEST_FOR_INTERVAL:
            note = (
                f"Only {count} speakers, too few to say how far the results would vary with "
                "others: there is no interval."
            )
        elif count < FEW_SPEAKERS:
            note = f"Only {count} speakers: take the intervals as a rough guide."
        return Clusters(_numbered(speakers), count, "speaker", note)
    reason = f"the speaker of {unknown} of {len(speakers)} utterances is unknown"
    if not unknown:
        reason = "there is only one speaker"
    note = (
        f"Intervals resample single utterances because {reason}. They are narrower than with "
        "new speakers."
    )
    units: Sequence = range(len(speakers)) if utterances is None else utterances
    return Clusters(_numbered(units), len(set(units)), "utterance", note)


def _numbered(names: Sequence) -> np.ndarray:
    number = {name: i for i, name in enumerate(sorted(set(names)))}
    return np.array([number[name] for name in names], dtype=np.int64)


def resample(
    statistics_NK: np.ndarray, clusters: Clusters, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Sum per-utterance statistics over bootstrap resamples of clusters: (B, K)."""
    sums_SK = _by_cluster(statistics_NK, clusters)
    found = [np.zeros((0, statistics_NK.shape[1]))]
    for rows in _batches(resamples if clusters.count else 0, clusters.count):
        drawn_bS = rng.integers(clusters.count, size=(rows, clusters.count))
        drawn_bS += clusters.count * np.arange(rows)[:, None]  # one bincount for all rows
        counts_bS = np.bincount(drawn_bS.ravel(), minlength=drawn_bS.size).reshape(rows, -1)
        found.append(counts_bS.astype(np.float64) @ sums_SK)
    return np.concatenate(found)


def _batches(total: int, clusters: int) -> Iterator[int]:
    """How many draws of ``clusters`` to make at once, until there are ``total``."""
    at_once = max(1, COUNTS_AT_ONCE // max(1, clusters))
    return (min(at_once, total - start) for start in range(0, total, at_once))


def _by_cluster(statistics_NK: np.ndarray, clusters: Clusters) -> np.ndarray:
    sums_SK = np.zeros((clusters.count, statistics_NK.shape[1]))
    np.add.at(sums_SK, clusters.index_N, statistics_NK)
    return sums_SK


def interval(estimates_B: np.ndarray, clusters: int) -> tuple[float | None, float | None]:
    """Expanded percentile interval of a metric from its values on resamples of clusters.

    (None, None) with fewer than five clusters, or where half of the resamples or more are NaN.
    """
    defined = estimates_B[np.isfinite(estimates_B)]
    if clusters < FEWEST_FOR_INTERVAL or 2 * len(defined) <= len(estimates_B):
        return None, None
    tail = tail_probability(clusters)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def tail_probability(clusters: int) -> float:
    """Share of resamples outside each end of the interval (Hesterberg 2015, section 5.3)."""
    quantile = stdtrit(clusters - 1, (1 - LEVEL) / 2)
    return float(ndtr(math.sqrt(clusters / (clusters - 1)) * quantile))


def paired_permutation_test(
    one_NK: np.ndarray,
    other_NK: np.ndarray,
    clusters: Clusters,
    metrics: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    rng: np.random.Generator,
) -> dict[str, float | None]:
    """Two-sided p of the difference of every metric between two models.

    If the models do not differ, the answers of a whole cluster can be swapped between them.
    Exact for up to 15 speakers; beyond, (1 + as extreme) / (1 + drawn) (Phipson and Smyth 2010,
    equation 2). A swap that leaves a metric undefined counts as extreme, so that it never makes
    p smaller. None where the metric itself is undefined.

    ``one_NK`` and ``other_NK`` are the statistics of the same utterances under either model;
    ``metrics`` maps a name to a function of their sums, shape (..., K) -> (...).
    """
    one_K, other_K = one_NK.sum(0), other_NK.sum(0)
    moved_SK = _by_cluster(other_NK - one_NK, clusters)
    exact = clusters.count <= EXACT_UP_TO
    swaps = _swaps(clusters.count, exact, rng)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = {name: abs(float(f(one_K) - f(other_K))) for name, f in metrics.items()}
        extreme, tried = dict.fromkeys(metrics, 0), 0
        for swapped_PS in swaps:
            moved_PK = swapped_PS @ moved_SK
            tried += len(swapped_PS)
            for name, function in metrics.items():
                found_P = np.abs(function(one_K + moved_PK) - function(other_K - moved_PK))
                smaller_P = found_P < observed[name] * (1 - TIE)
                extreme[name] += int((~smaller_P).sum())
    more = 0 if exact else 1
    return {
        name: (extreme[name] + more) / (tried + more) if np.isfinite(observed[name]) else None
        for name in metrics
    }


def _swaps(clusters: int, every: bool, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Sets of swapped clusters, (P, S), a few at a time: every one, or random ones."""
    if every:  # The last cluster stays, which leaves out mirror images.
        numbers_P1 = np.arange(2 ** (clusters - 1))[:, None]
        yield (numbers_P1 >> np.arange(clusters) & 1).astype(np.float64)
        return
    for rows in _batches(SWAPS, clusters):
        yield rng.integers(2, size=(rows, clusters), dtype=np.int8).astype(np.float64)


def permutation_note(clusters: Clusters) -> str:
    """A caution about p; empty where there is none."""
    if clusters.unit != "speaker":
        return "p swaps single utterances for the same reason, and is too small."
    smallest = 0.5 ** (clusters.count - 1)
    if smallest < ALPHA:
        return ""
    return (
        f"Only {clusters.count} speakers: p cannot fall below {smallest:.4g}, so no difference "
        "can reach .05."
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p for several tests (Holm 1979, Scandinavian Journal of Statistics 6).

    None stands for a test that was not made, and stays None.
    """
    order = sorted((p, n) for n, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, n) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[n] = largest
    return adjusted

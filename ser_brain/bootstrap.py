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
from collections.abc import Iterator, Sequence
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

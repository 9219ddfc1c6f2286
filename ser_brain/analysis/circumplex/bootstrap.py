"""Speakers drawn with replacement, over all parts of a run at once.

A speaker who is drawn counts in every part that holds utterances of theirs, so that folds (one
part each) and models that judge the same people (every part) are treated alike.

Axes: B resamples, S clusters (speakers), N utterances.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ser_brain.analysis.circumplex.data import Cloud
from ser_brain.evaluation.significance import Clusters, clusters_of, interval, resample

# More clusters than this change no interval, and every pair of them is held.
MOST_CLUSTERS = 2_000


@dataclass(frozen=True)
class Draws:
    """How often each speaker is drawn.

    Attributes
    ----------
    clusters : Clusters
        Of all utterances of a set; says why utterances are drawn where speakers cannot be.
    number : dict
        Utterance id -> its cluster.
    counts_BS : ndarray
    """

    clusters: Clusters
    number: dict[str, int]
    counts_BS: np.ndarray

    def of(self, cloud: Cloud) -> np.ndarray:
        """Cluster of every utterance of a part, shape (N,)."""
        return np.array([self.number[i] for i in cloud.ids])


def draw(clouds: Iterable[Cloud], resamples: int, rng: np.random.Generator) -> Draws:
    """Draw the speakers of a set; of very many utterances without speakers, random groups."""
    speakers = {
        i: s for cloud in clouds for i, s in zip(cloud.ids, cloud.speakers, strict=True)
    }
    clusters = clusters_of(list(speakers.values()), list(speakers))
    if clusters.count > MOST_CLUSTERS:
        index_N = rng.permutation(clusters.index_N % MOST_CLUSTERS)
        clusters = replace(clusters, index_N=index_N, count=MOST_CLUSTERS)
    number = dict(zip(speakers, clusters.index_N.tolist(), strict=True))
    each = Clusters(np.arange(clusters.count), clusters.count, "speaker", "")
    counts_BS = resample(np.eye(clusters.count), each, resamples, rng)
    return Draws(clusters, number, counts_BS)


def mean_over_parts(values: Iterable[np.ndarray]) -> np.ndarray:
    """Mean of a statistic over the parts in which it is defined; NaN where it is in none."""
    stacked = np.stack([np.asarray(value, dtype=np.float64) for value in values])
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    total = np.where(known, stacked, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def estimate(value: float, draws_B: np.ndarray, draws: Draws) -> dict[str, float | None]:
    """A value with its percentile interval, as tables take it."""
    if not np.isfinite(value):
        return {"value": None, "low": None, "high": None}
    low, high = interval(draws_B, draws.clusters.count)
    return {"value": float(value), "low": low, "high": high}


def mirrored(value: float, draws_B: np.ndarray, draws: Draws) -> dict[str, float | None]:
    """A value with its basic interval (Davison and Hinkley 1997, section 5.2).

    For distances: a speaker drawn twice makes clusters look tighter and distances larger, in
    resamples as in small samples. The percentiles then lie above the truth; mirrored at the
    value, they hold it (docs/circumplex.md).
    """
    found = estimate(value, draws_B, draws)
    if found["low"] is not None:
        low, high = 2 * found["value"] - found["high"], 2 * found["value"] - found["low"]
        found = {**found, "low": low, "high": high}
    return found

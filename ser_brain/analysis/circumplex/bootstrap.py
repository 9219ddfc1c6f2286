"""Speakers drawn with replacement, over all parts of a run at once.

A drawn speaker counts in every part that holds utterances of theirs. This treats folds (each
speaker in one part) and models that are tested on the same people (each speaker in every part)
alike.

Axes: B resamples, S clusters (speakers), N utterances.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ser_brain.analysis.circumplex.data import Cloud
from ser_brain.evaluation.significance import Clusters, clusters_of, interval, resample

# More clusters change no interval, and separability holds a number for every pair of them.
MOST_CLUSTERS = 2_000

Estimate = dict[str, float | None]  # value, low, high: a cell of a table


@dataclass(frozen=True)
class Draws:
    """How often each speaker is drawn."""

    clusters: Clusters  # of all utterances of a set
    number: dict[str, int]  # utterance id -> its cluster
    counts_BS: np.ndarray

    def clusters_of(self, cloud: Cloud) -> np.ndarray:
        """Cluster of every utterance of a part, shape (N,)."""
        return np.array([self.number[i] for i in cloud.ids])


def draw(clouds: Iterable[Cloud], resamples: int, rng: np.random.Generator) -> Draws:
    """Draw the speakers of a set.

    Where speakers are unknown and utterances are very many, random groups of these are drawn.
    """
    speakers = {
        i: s for cloud in clouds for i, s in zip(cloud.ids, cloud.speakers, strict=True)
    }
    clusters = clusters_of(list(speakers.values()), list(speakers))
    if clusters.count > MOST_CLUSTERS:
        index_N = rng.permutation(clusters.index_N % MOST_CLUSTERS)
        clusters = replace(clusters, index_N=index_N, count=MOST_CLUSTERS)
    number = dict(zip(speakers, clusters.index_N.tolist(), strict=True))
    each = replace(clusters, index_N=np.arange(clusters.count))
    return Draws(clusters, number, resample(np.eye(clusters.count), each, resamples, rng))


def mean_over_parts(values: Iterable[np.ndarray]) -> np.ndarray:
    """Mean of a statistic over the parts in which it is defined; NaN where it is in none."""
    stacked = np.stack([np.asarray(value, dtype=np.float64) for value in values])
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    total = np.where(known, stacked, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def percentile_estimate(value: float, draws_B: np.ndarray, draws: Draws) -> Estimate:
    """A value with its percentile interval."""
    if not np.isfinite(value):
        return {"value": None, "low": None, "high": None}
    low, high = interval(draws_B, draws.clusters.count)
    return {"value": float(value), "low": low, "high": high}


def basic_estimate(value: float, draws_B: np.ndarray, draws: Draws) -> Estimate:
    """A value with its basic interval (Davison and Hinkley 1997, section 5.2), for distances.

    A speaker who is drawn twice makes clusters look tighter and distances larger, so that the
    percentiles of a distance are too high. Mirrored at the value, they cover the truth
    (docs/circumplex.md).
    """
    found = percentile_estimate(value, draws_B, draws)
    if found["low"] is not None:
        low, high = 2 * found["value"] - found["high"], 2 * found["value"] - found["low"]
        found = {**found, "low": low, "high": high}
    return found

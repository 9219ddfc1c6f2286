"""Batches of clips of like length, as many in an epoch as random batches would be.

A random batch of four clips is padded to 1.79 times its audio on a corpus like IEMOCAP; clips
of like length need no padding to speak of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from speechbrain.dataio.sampler import DynamicBatchSampler

BUCKETS = 60  # of lengths; more pad less, and leave more batches short at their ends
SHORTEST_BUCKET = 5  # batches
ROUNDS = 12  # of halving the range that the cap lies in


def length_batches(
    durations_s: Sequence[float], batch_size: int, seed: int
) -> DynamicBatchSampler:
    """SpeechBrain's sampler of clips of like length, with as much audio in a batch as random.

    Every clip is in one batch of each epoch, which batch it is depends on seed and epoch. A
    batch holds many short clips or few long ones: its padded length is capped, and the cap is
    chosen so that there are as many batches as random ones of ``batch_size`` clips. So an
    optimiser sees as much audio in a step, and takes as many steps.

    Parameters
    ----------
    durations_s : sequence of float
        Of the clips, in the order of the dataset.
    batch_size : int
        Mean number of clips in a batch.
    seed : int

    Examples
    --------
    >>> sampler = length_batches([1.0] * 40 + [4.0] * 10, batch_size=5, seed=1)
    >>> len(sampler), sorted({len(batch) for batch in sampler})
    (10, [2, 8])
    """
    wanted = -(-len(durations_s) // batch_size)
    ends_s = _bucket_ends(durations_s, wanted)
    low_s, high_s = 0.0, 2.0 * batch_size * max(durations_s)
    tried = []
    for _ in range(ROUNDS):
        cap_s = (low_s + high_s) / 2
        tried.append(_sampler(durations_s, cap_s, ends_s, seed))
        if len(tried[-1]) > wanted:
            low_s = cap_s
        else:
            high_s = cap_s
    return min(tried, key=lambda sampler: abs(len(sampler) - wanted))


def _bucket_ends(durations_s: Sequence[float], batches: int) -> list[float]:
    """Longest clip of each bucket; buckets hold equally many clips."""
    buckets = min(BUCKETS, max(1, batches // SHORTEST_BUCKET))
    shares = np.arange(1, buckets + 1) / buckets
    ends_s = np.quantile(np.asarray(durations_s), shares, method="higher")
    return [float(end_s) for end_s in np.unique(ends_s)]


def _sampler(
    durations_s: Sequence[float], cap_s: float, ends_s: list[float], seed: int
) -> DynamicBatchSampler:
    return DynamicBatchSampler(
        list(durations_s),
        max_batch_length=cap_s,
        bucket_boundaries=ends_s,
        lengths_list=list(durations_s),
        shuffle=True,
        batch_ordering="random",
        seed=seed,
    )

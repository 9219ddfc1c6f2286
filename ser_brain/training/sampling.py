"""What training draws: batches of similar length, balanced clips, an epoch's random numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from speechbrain.dataio.sampler import DynamicBatchSampler, ReproducibleWeightedRandomSampler
from torch.utils.data import Sampler

from ser_brain.training import device

BUCKETS = 60  # of lengths; more of them pad less, but leave more batches short at their ends
SHORTEST_BUCKET = 5  # batches
ROUNDS = 12  # of the bisection for the cap on a batch's length


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed Python, NumPy and PyTorch, so that a resumed run draws what it would have drawn.

    SpeechBrain's ``seed_everything`` would give all processes the same dropout, and its
    samplers another seed.
    """
    sequence = np.random.SeedSequence([seed, epoch, device.rank()])
    state = int(sequence.generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)
    torch.manual_seed(state)


def length_batches(
    durations_s: Sequence[float], batch_size: int, seed: int
) -> DynamicBatchSampler:
    """Make SpeechBrain's sampler of clips of similar length, tuned to ``batch_size``.

    Every clip is in one batch of each epoch; which one depends on seed and epoch. A batch holds
    many short clips or few long ones: its padded length is capped. The cap is chosen so that
    there are as many batches as random ones of ``batch_size`` clips, so an optimiser sees as
    much audio in a step and takes as many steps.

    Examples
    --------
    >>> sampler = length_batches([1.0] * 40 + [4.0] * 10, batch_size=5, seed=1)
    >>> len(sampler), sorted({len(batch) for batch in sampler})
    (10, [2, 8])
    """
    wanted = -(-len(durations_s) // batch_size)
    buckets = min(BUCKETS, max(1, wanted // SHORTEST_BUCKET))
    shares = np.arange(1, buckets + 1) / buckets  # buckets hold equally many clips
    ends_s = np.unique(np.quantile(np.asarray(durations_s), shares, method="higher"))
    low_s, high_s = 0.0, 2.0 * batch_size * max(durations_s)
    tried = []
    for _ in range(ROUNDS):
        cap_s = (low_s + high_s) / 2
        sampler = DynamicBatchSampler(
            list(durations_s),
            max_batch_length=cap_s,
            bucket_boundaries=ends_s.tolist(),
            lengths_list=list(durations_s),
            shuffle=True,
            batch_ordering="random",
            seed=seed,
        )
        tried.append(sampler)
        if len(sampler) > wanted:
            low_s = cap_s
        else:
            high_s = cap_s
    return min(tried, key=lambda sampler: abs(len(sampler) - wanted))


def balanced_clips(shares: Sequence[float], seed: int) -> ReproducibleWeightedRandomSampler:
    """Make SpeechBrain's sampler of as many clips as there are, drawn with replacement.

    Parameters
    ----------
    shares : sequence of float
        The probability of each clip, see :func:`ser_brain.data.weighting.balanced_shares`.
    seed : int
        With the epoch, it decides what is drawn: a resumed run draws what it would have drawn.
    """
    # SpeechBrain adds the epoch to the seed: seed 2 would draw in epoch 1 what seed 1 draws in
    # epoch 2.
    stream = int(np.random.SeedSequence(seed).generate_state(1)[0])
    return ReproducibleWeightedRandomSampler(shares, len(shares), replacement=True, seed=stream)


class BalancedBatches(Sampler[list[int]]):
    """Batches of similar length of clips that are drawn anew in each epoch.

    Parameters
    ----------
    durations_s : sequence of float
        Of all clips.
    drawn : ReproducibleWeightedRandomSampler
        See :func:`balanced_clips`.
    batch_size : int
        Clips, on average.
    seed : int
    """

    def __init__(
        self,
        durations_s: Sequence[float],
        drawn: ReproducibleWeightedRandomSampler,
        batch_size: int,
        seed: int,
    ) -> None:
        self.durations_s, self.drawn = durations_s, drawn
        self.batch_size, self.seed = batch_size, seed

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose clips are drawn next."""
        self.drawn.set_epoch(epoch)

    def __len__(self) -> int:
        """The same in every epoch: processes and accumulated gradients count on it."""
        return -(-len(self.durations_s) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        clips = list(self.drawn)
        of_length = length_batches(
            [self.durations_s[i] for i in clips], self.batch_size, self.seed
        )
        of_length.set_epoch(self.drawn.epoch)
        # One batch more or less is as random as the drawing; so is which one is left out.
        batches = [[clips[n] for n in batch] for batch in of_length][: len(self)]
        while len(batches) < len(self):
            longest = max(batches, key=len)
            batches.append([longest.pop() for _ in range(len(longest) // 2)])
        return iter(batches)

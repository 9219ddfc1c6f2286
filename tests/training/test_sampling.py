"""Balanced drawing: as often from every class of every corpus, decided by seed and epoch."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from speechbrain.dataio.dataset import DynamicItemDataset

from ser_brain.data.weighting import balanced_shares
from ser_brain.training.loaders import training_options
from ser_brain.training.sampling import BalancedBatches, balanced_clips

CELLS = [("big", "anger")] * 400 + [("big", "fear")] * 40 + [("small", "anger")] * 40
CELLS += [("small", "fear")] * 20
DURATIONS_S = np.random.default_rng(0).lognormal(1, 0.7, len(CELLS)).clip(0.6, 20).tolist()
ROWS = {
    f"u{n}": {"corpus": corpus, "emotion": emotion, "duration": DURATIONS_S[n]}
    for n, (corpus, emotion) in enumerate(CELLS)
}
SHARES = balanced_shares([*ROWS.values()])


def drawn(batching, epoch, seed=1):
    """The clips of an epoch, by batch."""
    hparams = SimpleNamespace(seed=seed, batch_size=8, batching=batching, sampling="balanced")
    options = training_options(DynamicItemDataset(ROWS), hparams, "cpu")
    assert "shuffle" not in options
    sampler = options.get("batch_sampler", options.get("sampler"))
    sampler.set_epoch(epoch)
    return [batch if isinstance(batch, list) else [batch] for batch in sampler]


@pytest.mark.parametrize("batching", ["random", "dynamic"])
def test_every_cell_is_drawn_as_often_in_an_epoch_of_the_same_length(batching):
    clips = [n for epoch in range(1, 21) for batch in drawn(batching, epoch) for n in batch]
    assert len(clips) == pytest.approx(20 * len(CELLS), rel=0.02)
    counts = Counter(CELLS[n] for n in clips)
    assert counts == pytest.approx(dict.fromkeys(CELLS, len(clips) / 4), rel=0.1)


@pytest.mark.parametrize("batching", ["random", "dynamic"])
def test_seed_and_epoch_decide_whatever_ran_before(batching):
    first = drawn(batching, 2)
    assert drawn(batching, 2) == first
    others = [drawn(batching, 3), drawn(batching, 2, seed=2), drawn(batching, 1, seed=3)]
    assert first not in others
    assert drawn(batching, 1, seed=2) not in (first, drawn(batching, 2, seed=1))


@pytest.mark.parametrize("count", [1, 2, 7, 33, 500])
def test_every_epoch_has_as_many_batches(count):
    shares = balanced_shares([*ROWS.values()][-count:])
    batches = BalancedBatches(DURATIONS_S[-count:], balanced_clips(shares, 1), 4, seed=1)
    for epoch in range(1, 11):
        batches.set_epoch(epoch)
        found = list(batches)
        assert len(found) == len(batches) == -(-count // 4) and all(found)
        assert {n for batch in found for n in batch} <= set(range(count))


def test_batches_are_of_like_length():
    batches = drawn("dynamic", 1)
    padded_s = sum(len(batch) * max(DURATIONS_S[n] for n in batch) for batch in batches)
    assert padded_s < 1.2 * sum(DURATIONS_S[n] for batch in batches for n in batch)

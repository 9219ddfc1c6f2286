"""Batches by length."""

import numpy as np
import pytest
from stand_in import RATE_HZ, StandIn, noise

from ser_brain.inference.batches import BATCH_S, batches, score_all


def test_each_clip_is_in_one_batch_of_like_lengths():
    lengths = np.random.default_rng(0).integers(1, 100, 200).tolist()
    found = batches(lengths, most=300)
    assert sorted(place for batch in found for place in batch) == list(range(200))
    for batch in found:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= 300
    longest_first = [lengths[place] for batch in found for place in batch]
    assert longest_first == sorted(lengths, reverse=True)


def test_a_clip_beyond_the_limit_is_a_batch_of_its_own():
    assert batches([5, 50, 6, 40], most=12) == [[1], [3], [2, 0]]
    assert batches([], most=12) == []


def test_scores_come_in_the_order_of_the_clips():
    recognizer = StandIn()
    clips = [noise(s, seed) for seed, s in enumerate([0.5, 20, 1, 25, 24, 0.5, 2])]
    found = score_all(recognizer, clips)
    assert len(recognizer.batches) > 1
    for lengths in recognizer.batches:
        assert max(lengths) * len(lengths) <= BATCH_S * RATE_HZ
    for clip, scores in zip(clips, found, strict=True):
        alone = recognizer.score([clip])[0]
        assert scores.log_probabilities == pytest.approx(alone.log_probabilities)

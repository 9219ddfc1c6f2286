"""Batches by length."""

import threading

import numpy as np
import pytest
import torch
from stand_in import RATE_HZ, StandIn, noise

from ser_brain.errors import SERError
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


def test_a_gpu_gets_batches_and_scores_come_in_the_order_of_the_clips():
    recognizer = StandIn()
    recognizer.device = "cuda:0"
    clips = [noise(s, seed) for seed, s in enumerate([0.5, 20, 1, 25, 24, 0.5, 2])]
    found = score_all(recognizer, clips)
    assert len(recognizer.batches) > 1
    for lengths in recognizer.batches:
        assert max(lengths) * len(lengths) <= BATCH_S * RATE_HZ
    for clip, scores in zip(clips, found, strict=True):
        alone = recognizer.score([clip])[0]
        assert scores.log_probabilities == pytest.approx(alone.log_probabilities)


def test_a_cpu_scores_clips_one_by_one_on_each_core(monkeypatch):
    """As many at once as there are threads, each on one; the longest first."""
    both = threading.Barrier(2, timeout=10)

    class Waiting(StandIn):
        def score(self, waveforms):
            both.wait()
            return super().score(waveforms)

    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    recognizer = Waiting()
    clips = [noise(s, seed) for seed, s in enumerate([0.5, 3, 1, 2])]
    found = score_all(recognizer, clips)
    assert sorted(recognizer.batches) == [[8000], [16_000], [32_000], [48_000]]
    assert {*map(tuple, recognizer.batches[:2])} == {(48_000,), (32_000,)}
    for clip, scores in zip(clips, found, strict=True):
        alone = StandIn().score([clip])[0]
        assert scores.log_probabilities == pytest.approx(alone.log_probabilities)


def test_after_an_error_the_clips_that_wait_are_not_scored():
    class Broken(StandIn):
        def score(self, waveforms):
            super().score(waveforms)
            raise SERError("a defect")

    recognizer = Broken()
    with pytest.raises(SERError, match="a defect"):
        score_all(recognizer, [noise(s) for s in (2, *[1] * 500)])
    assert len(recognizer.batches) < 400

"""Batches of clips of like length: every clip once, as many steps, hardly any padding."""

import numpy as np
import pytest

from ser_brain.batching import length_batches


def made(count=600):
    drawn_s = np.random.default_rng(0).lognormal(1.3, 0.7, count)
    return np.clip(drawn_s, 0.6, 30).round(3).tolist()


def batches_of(sampler, epoch):
    sampler.set_epoch(epoch)
    return [list(batch) for batch in sampler]


@pytest.mark.parametrize("count", [1, 2, 5, 33, 600])
def test_every_clip_once_an_epoch(count):
    sampler = length_batches(made(count), 4, seed=1)
    for epoch in (1, 2):
        batches = batches_of(sampler, epoch)
        assert sorted(n for batch in batches for n in batch) == list(range(count))
        assert len(batches) == len(sampler)


def test_as_many_steps_as_random_batches_and_so_as_much_audio_in_each():
    for batch_size in (4, 8, 16):
        sampler = length_batches(made(), batch_size, seed=1)
        assert len(sampler) == pytest.approx(600 / batch_size, rel=0.1)


def test_hardly_any_padding_and_a_cap_on_seconds():
    clips_s = made()
    batches = batches_of(length_batches(clips_s, 4, seed=1), 1)
    padded_s = [len(batch) * max(clips_s[n] for n in batch) for batch in batches]
    assert sum(padded_s) < 1.05 * sum(clips_s)
    assert max(padded_s) <= max(2 * 4 * np.mean(clips_s), max(clips_s))
    order = np.random.default_rng(1).permutation(600)
    random_s = sum(4 * max(clips_s[n] for n in order[at : at + 4]) for at in range(0, 600, 4))
    assert random_s > 1.5 * sum(clips_s)


def test_seed_and_epoch_decide():
    clips_s = made()
    first = batches_of(length_batches(clips_s, 4, seed=1), 1)
    assert batches_of(length_batches(clips_s, 4, seed=1), 1) == first
    assert batches_of(length_batches(clips_s, 4, seed=2), 1) != first
    sampler = length_batches(clips_s, 4, seed=1)
    later = batches_of(sampler, 2)
    assert later != first
    assert batches_of(sampler, 1) == first  # whatever ran before


def test_clips_of_one_length():
    assert {len(batch) for batch in length_batches([2.0] * 40, 5, seed=1)} == {5}

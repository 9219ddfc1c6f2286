"""An epoch's random numbers follow from seed, epoch and rank."""

import random

import numpy as np
import pytest
import torch

from ser_brain import ranks
from ser_brain.seeding import seed_epoch


def drawn(seed, epoch):
    seed_epoch(seed, epoch)
    return random.random(), np.random.rand(), torch.rand(1).item()


@pytest.fixture(autouse=True)
def untouched():
    """What other tests draw."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])
    torch.set_rng_state(before[2])


def test_the_same_whatever_ran_before():
    first = drawn(1, 2)
    torch.rand(3)
    assert drawn(1, 2) == first


@pytest.mark.parametrize("seed, epoch, rank", [(2, 2, 0), (1, 3, 0), (1, 2, 1), (2, 1, 0)])
def test_seed_epoch_and_rank_decide(seed, epoch, rank, monkeypatch):
    first = drawn(1, 2)
    monkeypatch.setattr(ranks, "rank", lambda: rank)
    assert not set(drawn(seed, epoch)) & set(first)

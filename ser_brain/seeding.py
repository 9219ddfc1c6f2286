"""Random numbers of training: they follow from seed, epoch and rank, whatever ran before."""

from __future__ import annotations

import random

import numpy as np
import torch

from ser_brain import ranks


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed Python, NumPy and PyTorch: a resumed run draws what an undisturbed one draws.

    SpeechBrain's ``seed_everything`` would give all ranks the same dropout, and its samplers
    another seed.

    Parameters
    ----------
    seed : int
        Of the run.
    epoch : int
        From 1.
    """
    sequence = np.random.SeedSequence([seed, epoch, ranks.rank()])
    state = int(sequence.generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)
    torch.manual_seed(state)

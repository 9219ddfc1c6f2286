"""Losses over the labelled part of a batch.

Shapes: B batch, C emotions. An utterance without a label of a kind takes no part in that loss;
a batch without any still gives a loss of zero that has a gradient, so that every rank of a
distributed run steps alike.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

NO_EMOTION = -1


class MaskedLoss(NamedTuple):
    """A mean over labelled utterances, and how many there were."""

    mean: Tensor
    count: int


def nll(log_probs_BC: Tensor, emotion_B: Tensor) -> MaskedLoss:
    """Negative log-likelihood of the labelled emotions.

    Parameters
    ----------
    log_probs_BC : Tensor, shape (B, C)
    emotion_B : Tensor, shape (B,), int64
        Class index; -1 where there is no label.
    """
    labelled_B = emotion_B != NO_EMOTION
    picked_B = log_probs_BC.gather(1, emotion_B.clamp_min(0)[:, None])[:, 0]
    return masked_loss(-picked_B, labelled_B)


def mse(predicted_B2: Tensor, target_B2: Tensor) -> MaskedLoss:
    """Mean squared error of valence and arousal, averaged over the two.

    Parameters
    ----------
    predicted_B2 : Tensor, shape (B, 2)
    target_B2 : Tensor, shape (B, 2)
        NaN where there is no label.
    """
    labelled_B = torch.isfinite(target_B2).all(dim=1)
    target_B2 = torch.where(labelled_B[:, None], target_B2, predicted_B2.detach())
    return masked_loss((predicted_B2 - target_B2).square().mean(dim=1), labelled_B)


def masked_loss(values_B: Tensor, labelled_B: Tensor) -> MaskedLoss:
    """Mean over the labelled utterances; zero, with a gradient, where there is none.

    Parameters
    ----------
    values_B : Tensor, shape (B,)
        Loss of each utterance; finite also where there is no label.
    labelled_B : Tensor, shape (B,), bool
    """
    total = (values_B * labelled_B).sum()
    return MaskedLoss(total / labelled_B.sum().clamp_min(1), int(labelled_B.sum()))

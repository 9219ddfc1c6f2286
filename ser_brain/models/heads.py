"""Output heads on the pooled embedding.

Shapes: B batch, D embedding size, C emotions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ser_brain.data.labels import NO_EMOTION


class EmotionHead(nn.Module):
    """Linear layer and log-softmax: embedding -> log-probability of each emotion.

    Parameters
    ----------
    dim : int
        Embedding size.
    emotions : sequence of str
        The classes, in the order of the outputs.
    bias : bool
        Study 1 has one in the multi-objective model, none in the classification model.
    """

    def __init__(self, dim: int, emotions: Sequence[str], bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, len(emotions), bias=bias)

    def forward(self, embedding_BD: Tensor) -> Tensor:
        """Log-probabilities, shape (B, C); in float32 also under mixed precision."""
        return torch.log_softmax(_in_float32(self.linear, embedding_BD), dim=-1)


class ValenceArousalHead(nn.Module):
    """Linear layer: embedding -> valence and arousal, on the experiment's scale.

    Parameters
    ----------
    dim : int
        Embedding size.
    va_range : (float, float)
        The scale; a bias starts at its middle, so that training does not spend its first
        epochs on finding it.
    bias : bool
        Study 1 has none.
    """

    def __init__(self, dim: int, va_range: Sequence[float], bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 2, bias=bias)
        if bias:
            nn.init.constant_(self.linear.bias, sum(va_range) / 2)

    def forward(self, embedding_BD: Tensor) -> Tensor:
        """Valence and arousal, shape (B, 2), not clipped to the scale; in float32 as well."""
        return _in_float32(self.linear, embedding_BD)


def _in_float32(linear: nn.Linear, embedding_BD: Tensor) -> Tensor:
    """A product that costs next to nothing, and would round what is said."""
    with torch.autocast(embedding_BD.device.type, enabled=False):
        return linear(embedding_BD.float())


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

"""Output heads on the pooled embedding, and losses over labelled utterances only.

Shapes: B utterances, D embedding size, E emotions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ser_brain.data.labels import NO_EMOTION


class EmotionHead(nn.Module):
    """Linear layer and log-softmax: embedding -> log-probability of each emotion.

    ``emotions`` are the classes in the order of the outputs. Study 1 (Lopez i Rios, 2024) has a
    bias in the multi-objective model and none in the classification model.
    """

    def __init__(self, dim: int, emotions: Sequence[str], bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, len(emotions), bias=bias)

    def forward(self, embedding_BD: Tensor) -> Tensor:
        """Return log-probabilities (B, E), in float32 even under mixed precision."""
        return torch.log_softmax(_in_float32(self.linear, embedding_BD), dim=-1)


class ValenceArousalHead(nn.Module):
    """Linear layer: embedding -> valence and arousal, on the experiment's scale.

    A bias starts at the middle of the scale ``va_range``; otherwise training would spend its
    first epochs on finding it. Study 1 has none.
    """

    def __init__(self, dim: int, va_range: Sequence[float], bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 2, bias=bias)
        if bias:
            nn.init.constant_(self.linear.bias, sum(va_range) / 2)

    def forward(self, embedding_BD: Tensor) -> Tensor:
        """Return valence and arousal (B, 2) in float32, not clipped to the scale."""
        return _in_float32(self.linear, embedding_BD)


def _in_float32(linear: nn.Linear, embedding_BD: Tensor) -> Tensor:
    # Half precision would round the scores to 3 digits, and saves next to no time here.
    with torch.autocast(embedding_BD.device.type, enabled=False):
        return linear(embedding_BD.float())


class MaskedLoss(NamedTuple):
    """A mean over labelled utterances, and their number."""

    mean: Tensor
    count: int


def nll(log_probs_BE: Tensor, emotion_B: Tensor) -> MaskedLoss:
    """Negative log-likelihood of the labelled emotions.

    ``emotion_B`` holds class indices (int64), and -1 where there is no label.
    """
    labelled_B = emotion_B != NO_EMOTION
    picked_B = log_probs_BE.gather(1, emotion_B.clamp_min(0)[:, None])[:, 0]
    return masked_loss(-picked_B, labelled_B)


def mse(predicted_B2: Tensor, target_B2: Tensor) -> MaskedLoss:
    """Mean squared error of valence and arousal, averaged over the two.

    ``target_B2`` is NaN where there is no label; half a label counts as none.
    """
    labelled_B = torch.isfinite(target_B2).all(dim=1)
    # Replaced, not multiplied by zero: the gradient of 0 * NaN is NaN.
    target_B2 = torch.where(labelled_B[:, None], target_B2, predicted_B2.detach())
    return masked_loss((predicted_B2 - target_B2).square().mean(dim=1), labelled_B)


def masked_loss(values_B: Tensor, labelled_B: Tensor) -> MaskedLoss:
    """Mean of ``values_B`` over the labelled utterances.

    The values must be finite even where there is no label. In a batch without any label the
    mean is zero and still has a gradient (zero): distributed training waits for the gradient
    of every parameter.
    """
    total = (values_B * labelled_B).sum()
    return MaskedLoss(total / labelled_B.sum().clamp_min(1), int(labelled_B.sum()))

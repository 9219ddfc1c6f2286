"""Output heads on the pooled embedding.

Shapes: B batch, D embedding size, C emotions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


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

"""Output heads on the pooled embedding; the losses are in ser_brain/models/losses.py.

Shapes: B utterances, D embedding size, E emotions, V dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ser_brain.data.labels import VALENCE_AROUSAL

# Recipes of earlier versions import these from here.
from ser_brain.models.losses import (  # noqa: F401
    NO_EMOTION,
    MaskedLoss,
    masked_loss,
    mse,
    nll,
)
from ser_brain.models.pooling import Standardizer


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
    """Linear layer: embedding -> valence, arousal or dominance, on the experiment's scale.

    ``dimensions`` are the outputs, in their order. A bias starts at the middle of the scale
    ``va_range``; otherwise training would spend its first epochs on finding it. Study 1 has
    none.
    """

    def __init__(
        self,
        dim: int,
        va_range: Sequence[float],
        bias: bool = True,
        dimensions: Sequence[str] = VALENCE_AROUSAL,
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, len(dimensions), bias=bias)
        if bias:
            nn.init.constant_(self.linear.bias, sum(va_range) / 2)

    def forward(self, embedding_BD: Tensor) -> Tensor:
        """Return the values (B, V) in float32, not clipped to the scale."""
        return _in_float32(self.linear, embedding_BD)


def _in_float32(linear: nn.Linear, embedding_BD: Tensor) -> Tensor:
    # Half precision would round the scores to 3 digits, and saves next to no time here.
    with torch.autocast(embedding_BD.device.type, enabled=False):
        return linear(embedding_BD.to(linear.weight.dtype))


@torch.no_grad()
def folded(
    linear: nn.Linear, standardizer: Standardizer | None, divisor: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Weight (O, D) and bias (O,) for embeddings that are not standardised.

    They have folded in the standardisation before a layer and the temperature after it.
    """
    weight_OD = linear.weight / divisor
    bias_O = linear.bias
    bias_O = weight_OD.new_zeros(len(weight_OD)) if bias_O is None else bias_O / divisor
    if standardizer is not None:
        weight_OD = weight_OD.double() / standardizer.deviation
        bias_O = bias_O - weight_OD @ standardizer.mean.double()
    return weight_OD, bias_O

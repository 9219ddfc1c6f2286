"""WavLM: wav2vec 2.0 with gated relative positions in its attention.

Shapes: B clips, T frames, D frame size, H heads, K size of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ser_brain.encoders.wav2vec2 import Wav2Vec2Encoder


class WavLMEncoder(Wav2Vec2Encoder):
    """WavLM (Chen et al. 2022).

    The attention is computed here, on Hugging Face's parameters: theirs always forms
    the weights of every head, and averages them for nobody.
    """

    def _skips(self, index: int) -> bool:
        # The first layer makes the position bias of all others.
        return index > 0 and super()._skips(index)

    def _context(self, valid_BT: Tensor | None) -> dict:
        return {"valid_BT": valid_BT, "bias_HTT": None}

    def _run(self, block: nn.Module, hidden_BTD: Tensor, context: dict) -> Tensor:
        if context["bias_HTT"] is None:
            size = hidden_BTD.shape[1]
            context["bias_HTT"] = block.attention.compute_bias(size, size)
        # Where the model has a final norm, a layer's norms come before its parts.
        if self.final_norm:
            attended = _attend(block.attention, block.layer_norm(hidden_BTD), **context)
            hidden_BTD = hidden_BTD + block.dropout(attended)
            return hidden_BTD + block.feed_forward(block.final_layer_norm(hidden_BTD))
        attended = _attend(block.attention, hidden_BTD, **context)
        hidden_BTD = block.layer_norm(hidden_BTD + block.dropout(attended))
        return block.final_layer_norm(hidden_BTD + block.feed_forward(hidden_BTD))


def _attend(
    attention: nn.Module, hidden_BTD: Tensor, valid_BT: Tensor | None, bias_HTT: Tensor
) -> Tensor:
    """Self-attention with the gated position bias of Chen et al. 2022, eq. 3 to 6."""
    heads = attention.num_heads

    def by_head(tensor_BTD: Tensor) -> Tensor:
        return tensor_BTD.unflatten(-1, (heads, -1)).transpose(1, 2)

    query, key, value = (
        by_head(projection(hidden_BTD))
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    # Eight numbers per head and frame, four for each of the two gates.
    gates = attention.gru_rel_pos_linear(by_head(hidden_BTD)).unflatten(-1, (2, 4)).sum(-1)
    update_BHT, reset_BHT = torch.sigmoid(gates).unbind(-1)
    constant_BHT = attention.gru_rel_pos_const.squeeze(-1)
    scale_BHT = update_BHT * (reset_BHT * constant_BHT - 1.0) + 2.0
    bias_BHTT = (scale_BHT.unsqueeze(-1) * bias_HTT).to(query.dtype)
    if valid_BT is not None:
        bias_BHTT = bias_BHTT.masked_fill(~valid_BT[:, None, None, :], -torch.inf)
    dropout = attention.dropout if attention.training else 0.0
    attended_BHTK = nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=bias_BHTT, dropout_p=dropout
    )
    return attention.out_proj(attended_BHTK.transpose(1, 2).flatten(2))

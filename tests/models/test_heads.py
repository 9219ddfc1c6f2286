"""Heads are linear, and compute in full precision."""

import pytest
import torch

from ser_brain.models.heads import EmotionHead, ValenceArousalHead

EMOTIONS = ["anger", "happiness", "sadness", "neutral"]


def test_heads_are_linear_and_valence_is_not_clipped_to_the_scale():
    emotion, va = EmotionHead(3, EMOTIONS), ValenceArousalHead(3, [1.0, 5.0])
    embedding = 100 * torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    logits = embedding @ emotion.linear.weight.T + emotion.linear.bias
    torch.testing.assert_close(emotion(embedding), logits.log_softmax(1))
    assert va.linear.bias.tolist() == [3.0, 3.0]  # the middle of the scale
    torch.testing.assert_close(va(embedding), embedding @ va.linear.weight.T + va.linear.bias)
    assert va(embedding).max() > 5 and va(embedding).min() < 1


@pytest.mark.parametrize(
    "head", [EmotionHead(3, EMOTIONS, False), ValenceArousalHead(3, [1, 5], False)]
)
def test_without_bias_silence_says_nothing(head):
    assert head.linear.bias is None
    out = head(torch.zeros(1, 3))[0]
    assert torch.equal(out, out[0].expand_as(out))


@pytest.mark.parametrize("head", [EmotionHead(3, EMOTIONS), ValenceArousalHead(3, [1, 5])])
def test_heads_compute_in_float32_under_mixed_precision(head):
    embedding_BD = torch.randn(2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = head(embedding_BD)
    assert out.dtype == torch.float32
    assert torch.equal(out, head(embedding_BD))

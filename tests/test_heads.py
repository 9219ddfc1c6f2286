import pytest
import torch

from ser_brain.heads import EmotionHead, ValenceArousalHead

EMOTIONS = ["anger", "happiness", "sadness", "neutral"]


def test_emotion_head_gives_log_probabilities_of_a_linear_layer():
    head = EmotionHead(3, EMOTIONS)
    embedding = torch.randn(5, 3)
    out = head(embedding)
    logits = embedding @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(out, logits - logits.logsumexp(1, keepdim=True))
    torch.testing.assert_close(out.exp().sum(1), torch.ones(5))


def test_valence_arousal_head_is_linear_and_not_clipped():
    head = ValenceArousalHead(3, [1.0, 5.0])
    embedding = 100 * torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    out = head(embedding)
    torch.testing.assert_close(out, embedding @ head.linear.weight.T + head.linear.bias)
    assert out.max() > 5 and out.min() < 1


def test_the_bias_starts_at_the_middle_of_the_scale():
    assert ValenceArousalHead(3, [1.0, 5.0]).linear.bias.tolist() == [3.0, 3.0]
    assert ValenceArousalHead(3, [-1.0, 1.0]).linear.bias.tolist() == [0.0, 0.0]


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

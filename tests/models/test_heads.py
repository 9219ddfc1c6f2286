"""Heads are linear; losses see labelled utterances only."""

import math

import pytest
import torch

from ser_brain.models.heads import NO_EMOTION, EmotionHead, ValenceArousalHead, mse, nll

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


LOG_PROBS = torch.tensor([[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]]).log()


def test_nll_is_the_mean_over_the_labelled():
    loss = nll(LOG_PROBS, torch.tensor([1, NO_EMOTION, 0]))
    assert loss.mean.item() == pytest.approx(-(math.log(0.9) + math.log(0.8)) / 2)
    assert loss.count == 2


def test_mse_is_averaged_over_both_dimensions_and_the_labelled():
    predicted = torch.tensor([[1.0, 2.0], [9.0, 9.0], [3.0, 3.0]])
    target = torch.tensor([[2.0, 4.0], [math.nan, math.nan], [3.0, 0.0]])
    loss = mse(predicted, target)
    assert loss.mean.item() == pytest.approx(((1 + 4) / 2 + (0 + 9) / 2) / 2)
    assert loss.count == 2


def test_the_unlabelled_get_no_gradient_and_the_labelled_their_own():
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    nll(logits.log_softmax(1), torch.tensor([2, NO_EMOTION, 0])).mean.backward()
    shares = logits.detach().softmax(1)
    expected = shares.clone()
    expected[0, 2] -= 1
    expected[2, 0] -= 1
    expected[1] = 0
    torch.testing.assert_close(logits.grad, expected / 2)


def test_a_nan_target_never_reaches_the_gradient():
    predicted = torch.tensor([[1.0, 2.0], [5.0, 6.0]], requires_grad=True)
    loss = mse(predicted, torch.tensor([[0.0, 0.0], [math.nan, 1.0]]))  # half a label is none
    assert loss.count == 1
    loss.mean.backward()
    assert predicted.grad.tolist() == [[1.0, 2.0], [0.0, 0.0]]


@pytest.mark.parametrize("kind", ["nll", "mse"])
def test_a_batch_without_labels_steps_with_zeros(kind):
    weight = torch.nn.Linear(3, 2)
    out = weight(torch.ones(4, 3))
    if kind == "nll":
        loss = nll(out.log_softmax(1), torch.full((4,), NO_EMOTION))
    else:
        loss = mse(out, torch.full((4, 2), math.nan))
    assert (loss.mean.item(), loss.count) == (0.0, 0)
    loss.mean.backward()
    for parameter in weight.parameters():
        assert parameter.grad.abs().sum() == 0  # a gradient, of zeros


def test_the_whole_is_the_weighted_mean_of_its_batches():
    generator = torch.Generator().manual_seed(1)
    predicted, target = torch.randn(2, 10, 2, generator=generator)
    target[[1, 4, 5]] = math.nan
    whole = mse(predicted, target)
    parts = [mse(predicted[s], target[s]) for s in (slice(0, 3), slice(3, 6), slice(6, 10))]
    assert sum(p.count for p in parts) == whole.count == 7
    total = sum(p.mean * p.count for p in parts)
    torch.testing.assert_close(total / whole.count, whole.mean)

"""Losses have the values of scikit-learn, torch and SciPy, and see labelled utterances only."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error
from torch.nn import functional

from ser_brain.models.losses import (
    NO_EMOTION,
    ccc,
    dimension_losses,
    emotion_losses,
    focal,
    kl_divergence,
    mae,
    mse,
    nll,
    soft_cross_entropy,
)

NAN = math.nan
GENERATOR = torch.Generator().manual_seed(0)
LOGITS_BE = torch.randn(7, 4, generator=GENERATOR)
LOG_PROBS_BE = LOGITS_BE.log_softmax(1)
EMOTION_B = torch.tensor([1, NO_EMOTION, 0, 3, 3, NO_EMOTION, 2])
LABELLED_B = EMOTION_B != NO_EMOTION
WEIGHT_B = torch.tensor([0.5, 9.0, 2.0, 1.0, 0.0, 9.0, 1.5])
SHARES_BE = torch.tensor(
    [[0.7, 0.3, 0, 0], [NAN] * 4, [1, 0, 0, 0], [0, 0.5, 0.5, 0], [0.1, 0.2, 0.3, 0.4]]
    + [[NAN] * 4, [0, 0, 0, 1]]
)
PREDICTED_BD = torch.randn(7, 2, generator=GENERATOR)
TARGET_BD = torch.randn(7, 2, generator=GENERATOR) + 0.5 * PREDICTED_BD
TARGET_BD[[1, 5]] = NAN
HALF_BD = TARGET_BD.clone()
HALF_BD[3, 0] = NAN  # arousal without valence

EMOTION_LOSSES = {
    "nll": lambda p, n: nll(p, EMOTION_B[n], WEIGHT_B[n]),
    "smoothed": lambda p, n: nll(p, EMOTION_B[n], WEIGHT_B[n], label_smoothing=0.1),
    "focal": lambda p, n: focal(p, EMOTION_B[n], WEIGHT_B[n], gamma=1.5),
    "soft_ce": lambda p, n: soft_cross_entropy(p, SHARES_BE[n], WEIGHT_B[n]),
    "kl": lambda p, n: kl_divergence(p, SHARES_BE[n], WEIGHT_B[n]),
}
DIMENSION_LOSSES = {"mse": mse, "mae": mae}


def test_nll_is_scikit_learns_over_the_labelled():
    loss = nll(LOG_PROBS_BE, EMOTION_B)
    probs_BE = LOGITS_BE[LABELLED_B].double().softmax(1)
    expected = log_loss(EMOTION_B[LABELLED_B], probs_BE, labels=range(4))
    assert loss.mean.item() == pytest.approx(expected, rel=1e-5)
    assert loss.count == 5


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing_is_torchs(smoothing):
    loss = nll(LOG_PROBS_BE, EMOTION_B, label_smoothing=smoothing)
    expected = functional.cross_entropy(
        LOGITS_BE, EMOTION_B, ignore_index=NO_EMOTION, label_smoothing=smoothing
    )
    torch.testing.assert_close(loss.mean, expected)


def test_weights_multiply_and_the_number_of_utterances_divides():
    loss = nll(LOG_PROBS_BE, EMOTION_B, WEIGHT_B)
    labelled = LOG_PROBS_BE[LABELLED_B], EMOTION_B[LABELLED_B]
    each_B = functional.nll_loss(*labelled, reduction="none")
    torch.testing.assert_close(loss.mean, (WEIGHT_B[LABELLED_B] * each_B).sum() / 5)
    assert loss.count == 5
    alone = nll(LOG_PROBS_BE[:1], EMOTION_B[:1], WEIGHT_B[:1])  # a weight does not cancel
    assert alone.mean.item() == pytest.approx(0.5 * -LOG_PROBS_BE[0, 1].item())


def test_focal_is_its_formula():
    p_B = LOG_PROBS_BE.double().exp()[LABELLED_B, EMOTION_B[LABELLED_B]]
    expected = (-((1 - p_B) ** 2) * p_B.log()).mean().item()
    assert focal(LOG_PROBS_BE, EMOTION_B).mean.item() == pytest.approx(expected, rel=1e-5)
    plain = nll(LOG_PROBS_BE, EMOTION_B).mean
    torch.testing.assert_close(focal(LOG_PROBS_BE, EMOTION_B, gamma=0.0).mean, plain)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_has_a_gradient_even_of_a_certain_answer(gamma):
    logits_BE = torch.tensor([[200.0, 0.0], [-200.0, 0.0]], requires_grad=True)
    focal(logits_BE.log_softmax(1), torch.tensor([0, 0]), gamma=gamma).mean.backward()
    assert torch.isfinite(logits_BE.grad).all()


def test_soft_losses_are_torchs_and_scipys():
    loss = soft_cross_entropy(LOG_PROBS_BE, SHARES_BE)
    expected = functional.cross_entropy(LOGITS_BE[LABELLED_B], SHARES_BE[LABELLED_B])
    torch.testing.assert_close(loss.mean, expected)
    kl = kl_divergence(LOG_PROBS_BE, SHARES_BE)
    probs_BE = LOG_PROBS_BE.exp()[LABELLED_B].double()
    expected = stats.entropy(SHARES_BE[LABELLED_B].double(), probs_BE, axis=1).mean()
    assert kl.mean.item() == pytest.approx(expected, rel=1e-5)
    assert kl.count == loss.count == 5


def test_a_perfect_model_has_no_divergence():
    shares_BE = SHARES_BE[[0, 4]]
    loss = kl_divergence(shares_BE.log().clamp_min(-50), shares_BE)
    assert loss.mean.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", EMOTION_LOSSES)
def test_what_has_no_label_gets_no_gradient(kind):
    logits_BE = LOGITS_BE.clone().requires_grad_()
    EMOTION_LOSSES[kind](logits_BE.log_softmax(1), slice(None)).mean.backward()
    assert logits_BE.grad[~LABELLED_B].abs().max() == 0
    assert logits_BE.grad[4].abs().max() == 0  # its weight is 0
    assert (logits_BE.grad[[0, 2, 3, 6]].abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("kind", EMOTION_LOSSES)
def test_an_emotion_loss_is_the_mean_of_its_batches(kind):
    whole = EMOTION_LOSSES[kind](LOG_PROBS_BE, slice(None))
    parts = [
        EMOTION_LOSSES[kind](LOG_PROBS_BE[n], n)
        for n in (slice(0, 1), slice(1, 2), slice(2, 4), slice(4, 7))
    ]
    assert sum(part.count for part in parts) == whole.count
    total = sum(part.mean * part.count for part in parts)
    torch.testing.assert_close(total / whole.count, whole.mean)


@pytest.mark.parametrize(
    "kind, reference", [("mse", mean_squared_error), ("mae", mean_absolute_error)]
)
def test_errors_are_scikit_learns(kind, reference):
    loss = DIMENSION_LOSSES[kind](PREDICTED_BD, TARGET_BD)
    expected = reference(TARGET_BD[LABELLED_B], PREDICTED_BD[LABELLED_B])
    assert loss.mean.item() == pytest.approx(expected, rel=1e-5)
    assert loss.count == 5


@pytest.mark.parametrize("kind", ["mse", "mae", "ccc"])
def test_each_dimension_counts_by_itself(kind):
    predicted_BD = PREDICTED_BD.clone().requires_grad_()
    loss = {**DIMENSION_LOSSES, "ccc": ccc}[kind](predicted_BD, HALF_BD)
    assert loss.count == 4.5
    loss.mean.backward()
    assert ((predicted_BD.grad != 0) == torch.isfinite(HALF_BD)).all()


@pytest.mark.parametrize("kind", DIMENSION_LOSSES)
@pytest.mark.parametrize("target_BD", [TARGET_BD, HALF_BD], ids=["both", "half"])
def test_an_error_is_the_mean_of_its_batches(kind, target_BD):
    whole = DIMENSION_LOSSES[kind](PREDICTED_BD, target_BD)
    parts = [
        DIMENSION_LOSSES[kind](PREDICTED_BD[n], target_BD[n])
        for n in (slice(0, 1), slice(1, 2), slice(2, 4), slice(4, 7))
    ]
    assert sum(part.count for part in parts) == whole.count
    total = sum(part.mean * part.count for part in parts)
    torch.testing.assert_close(total / whole.count, whole.mean)


def lins(predicted_N, target_N):
    covariance = np.cov(target_N, predicted_N, bias=True)
    apart = (np.mean(target_N) - np.mean(predicted_N)) ** 2
    return 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + apart)


def test_ccc_is_lins_in_a_first_batch():
    loss = ccc(PREDICTED_BD, HALF_BD)
    there_BD = torch.isfinite(HALF_BD)
    both = PREDICTED_BD.double().numpy(), HALF_BD.double().numpy()
    each = [lins(*(of_BD[there_BD[:, d], d] for of_BD in both)) for d in range(2)]
    assert loss.mean.item() == pytest.approx(1 - np.mean(each), rel=1e-6)
    assert loss.mean.dtype == torch.float32


def test_ccc_of_an_epoch_is_that_of_the_set_whatever_its_batches():
    seen_7D = None
    for n in (slice(0, 1), slice(1, 2), slice(2, 4), slice(4, 7)):
        loss = ccc(PREDICTED_BD[n], HALF_BD[n], seen_7D)
        seen_7D = loss.moments if seen_7D is None else seen_7D + loss.moments
    torch.testing.assert_close(loss.mean, ccc(PREDICTED_BD, HALF_BD).mean)


def gradient_of_ccc(predicted_BD, target_BD, seen_7D=None, weight_B=None):
    predicted_BD = predicted_BD.clone().requires_grad_()
    ccc(predicted_BD, target_BD, seen_7D, weight_B).mean.backward()
    return predicted_BD.grad


def test_the_gradient_of_a_ccc_is_that_of_its_formula():
    expected_BD = PREDICTED_BD.clone().double().requires_grad_()
    x_BD, y_BD = expected_BD[LABELLED_B], TARGET_BD[LABELLED_B].double()
    apart_D = (x_BD.mean(0) - y_BD.mean(0)) ** 2 + x_BD.var(0, False) + y_BD.var(0, False)
    both_D = ((x_BD - x_BD.mean(0)) * (y_BD - y_BD.mean(0))).mean(0)
    (1 - 2 * both_D / apart_D).mean().backward()
    torch.testing.assert_close(
        gradient_of_ccc(PREDICTED_BD, TARGET_BD), expected_BD.grad.float()
    )


def test_an_utterance_of_a_small_batch_is_pulled_as_in_a_large_one():
    """What is left is that the epoch so far differs from the epoch and the batch."""
    generator = torch.Generator().manual_seed(1)
    predicted_BD = torch.randn(2000, 2, generator=generator)
    target_BD = predicted_BD * 0.4 + torch.randn(2000, 2, generator=generator)
    seen_7D = ccc(predicted_BD[:1900], target_BD[:1900]).moments
    large_BD = gradient_of_ccc(predicted_BD[1900:], target_BD[1900:], seen_7D) * 100
    for n in range(1900, 2000, 4):
        small_BD = gradient_of_ccc(predicted_BD[n : n + 4], target_BD[n : n + 4], seen_7D) * 4
        torch.testing.assert_close(small_BD, large_BD[n - 1900 : n - 1896], rtol=0, atol=0.02)


@pytest.mark.parametrize("weight", [0.25, 4.0])
def test_a_weight_counts_in_the_concordance_of_a_batch_of_one(weight):
    generator = torch.Generator().manual_seed(1)
    predicted_BD, target_BD = torch.randn(2, 2000, 1, generator=generator)
    seen_7D = ccc(predicted_BD[1:], target_BD[1:]).moments
    clip = predicted_BD[:1], target_BD[:1], seen_7D
    plain_BD, weighted_BD = (gradient_of_ccc(*clip, torch.tensor([w])) for w in (1.0, weight))
    torch.testing.assert_close(weighted_BD, weight * plain_BD, rtol=0.01, atol=0)


def test_weights_below_one_leave_a_concordance_as_it_is():
    alike = torch.full((len(TARGET_BD),), 0.1)
    weighted = ccc(PREDICTED_BD, TARGET_BD, weight_B=alike)
    torch.testing.assert_close(weighted.mean, ccc(PREDICTED_BD, TARGET_BD).mean)
    assert weighted.count == ccc(PREDICTED_BD, TARGET_BD).count


def test_one_utterance_alone_has_no_concordance_and_no_direction():
    gradient_BD = gradient_of_ccc(PREDICTED_BD[:1], TARGET_BD[:1])
    assert gradient_BD.abs().max() < 1e-6
    assert ccc(PREDICTED_BD[:1], TARGET_BD[:1]).mean.item() == pytest.approx(1.0)
    assert ccc(TARGET_BD[:1], TARGET_BD[:1]).mean.item() == pytest.approx(1.0)  # 0 / 0


def test_a_nan_target_never_reaches_the_gradient():
    predicted_BD = torch.tensor([[1.0, 2.0], [5.0, 6.0]], requires_grad=True)
    mse(predicted_BD, torch.tensor([[0.0, 0.0], [NAN, 4.0]])).mean.backward()
    torch.testing.assert_close(predicted_BD.grad, torch.tensor([[2.0, 4.0], [0.0, 4.0]]) / 3)


def test_labels_are_smoothed_for_training_alone():
    out_BE = torch.tensor([[2.0, 0.0, 1.0]], requires_grad=True).log_softmax(1)
    one = {"emotion_index": torch.tensor([0]), "emotion_weight": torch.ones(1)}
    batch = SimpleNamespace(**one, emotion_shares=torch.eye(3)[:1])
    hparams = SimpleNamespace(loss_weights={"nll": 1.0}, label_smoothing=0.3, focal_gamma=2.0)
    trained = emotion_losses(out_BE, batch, hparams)["nll"].mean
    validated = emotion_losses(out_BE.detach(), batch, hparams)["nll"].mean
    assert validated.item() == pytest.approx(-out_BE[0, 0].item())
    assert trained.item() == pytest.approx(
        0.7 * validated.item() - 0.3 * out_BE.mean().item(), rel=1e-6
    )


@pytest.mark.parametrize("kind", ["nll", "focal", "soft_ce", "kl", "mse", "mae", "ccc"])
def test_a_batch_without_labels_steps_with_zeros(kind):
    layer = torch.nn.Linear(3, 2)
    out_BD = layer(torch.ones(4, 3))
    nothing_BD = torch.full((4, 2), NAN)
    batch = SimpleNamespace(
        emotion_index=torch.full((4,), NO_EMOTION),
        emotion_shares=nothing_BD,
        emotion_weight=torch.ones(4),
    )
    hparams = SimpleNamespace(loss_weights={kind: 1.0}, label_smoothing=0.1, focal_gamma=2.0)
    losses = emotion_losses(out_BD.log_softmax(1), batch, hparams)
    losses |= dimension_losses(out_BD, nothing_BD, hparams, {})
    (loss,) = losses.values()
    assert (loss.mean.item(), loss.count) == (0.0, 0)
    loss.mean.backward()
    for parameter in layer.parameters():
        assert parameter.grad.abs().sum() == 0  # a gradient, of zeros

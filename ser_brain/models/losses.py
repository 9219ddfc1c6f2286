"""Losses over labelled utterances only, whatever batch an utterance is in.

The setting ``loss_weights`` names those that are trained on; docs/losses.md compares them.
A loss divides by the number of labelled utterances, not by the sum of their weights: otherwise
a weight would cancel in a batch of one, and count differently in every batch.

Shapes: B utterances, E emotions, D dimensions (valence, arousal, dominance), 6 moments,
and a count of clips as the seventh.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
from speechbrain.dataio.batch import PaddedBatch
from torch import Tensor
from torch.nn import functional

from ser_brain.core.errors import SERError
from ser_brain.data.labels import NO_EMOTION

SMALLEST = 1e-8  # keeps divisions and powers, and their gradients, finite


class MaskedLoss(NamedTuple):
    """A mean over labelled utterances.

    Attributes
    ----------
    mean : Tensor, shape ()
    count : float
        How many utterances are labelled; one with half of its labels counts as a half.
    moments : ndarray, shape (7, D), optional
        Of a loss that is no mean over utterances: the batch's sums, see :func:`ccc`.
    """

    mean: Tensor
    count: float
    moments: np.ndarray | None = None


# -- emotions


def emotion_losses(
    log_probs_BE: Tensor, batch: PaddedBatch, hparams: SimpleNamespace
) -> dict[str, MaskedLoss]:
    """Compute the losses of the emotion that ``hparams.loss_weights`` names.

    ``batch`` has ``emotion_index`` (B,), ``emotion_shares`` (B, E) and ``emotion_weight`` (B,),
    see :func:`ser_brain.data.dataset.make_dataset`.
    """
    emotion_B, shares_BE = batch.emotion_index, batch.emotion_shares
    weight_B = batch.emotion_weight
    # Validation is measured against the labels themselves, whatever training aims at.
    smoothing = hparams.label_smoothing if log_probs_BE.requires_grad else 0.0
    compute = {
        "nll": lambda: nll(log_probs_BE, emotion_B, weight_B, smoothing),
        "focal": lambda: focal(log_probs_BE, emotion_B, weight_B, hparams.focal_gamma),
        "soft_ce": lambda: soft_cross_entropy(log_probs_BE, shares_BE, weight_B),
        "kl": lambda: kl_divergence(log_probs_BE, shares_BE, weight_B),
    }
    return {name: compute[name]() for name in hparams.loss_weights if name in compute}


def nll(
    log_probs_BE: Tensor,
    emotion_B: Tensor,
    weight_B: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> MaskedLoss:
    """Negative log-likelihood of the labelled emotions.

    Parameters
    ----------
    log_probs_BE : Tensor
    emotion_B : Tensor
        Class indices (int64), and -1 where there is no label.
    weight_B : Tensor, optional
        How much each utterance counts; 1 by default.
    label_smoothing : float
        Share of the target that is spread evenly over all emotions (Szegedy et al., 2016,
        section 7).
    """
    # cross_entropy's own log_softmax does not change log-probabilities.
    loss_B = functional.cross_entropy(
        log_probs_BE,
        emotion_B,
        ignore_index=NO_EMOTION,
        reduction="none",
        label_smoothing=label_smoothing,
    )
    return masked_loss(loss_B, emotion_B != NO_EMOTION, weight_B)


def focal(
    log_probs_BE: Tensor,
    emotion_B: Tensor,
    weight_B: Tensor | None = None,
    gamma: float = 2.0,
) -> MaskedLoss:
    """Focal loss, -(1 - p) ** gamma * log(p) of the labelled emotion (Lin et al., 2017, eq. 4).

    The higher ``gamma``, the less an utterance counts that the model is sure of. 0 is
    :func:`nll`; parameters as there.
    """
    log_prob_B = -functional.nll_loss(
        log_probs_BE, emotion_B, ignore_index=NO_EMOTION, reduction="none"
    )
    # expm1: 1 - p of a p near 1 would lose its digits.
    doubt_B = (-torch.expm1(log_prob_B)).clamp_min(SMALLEST)
    return masked_loss(-(doubt_B**gamma) * log_prob_B, emotion_B != NO_EMOTION, weight_B)


def soft_cross_entropy(
    log_probs_BE: Tensor, shares_BE: Tensor, weight_B: Tensor | None = None
) -> MaskedLoss:
    """Cross-entropy against the shares of the raters' votes.

    Parameters
    ----------
    log_probs_BE : Tensor
    shares_BE : Tensor
        Each emotion's share of the votes; rows sum to 1, and are NaN where there is no label.
    weight_B : Tensor, optional
        How much each utterance counts; 1 by default.
    """
    labelled_B = torch.isfinite(shares_BE).all(dim=1)
    shares_BE = torch.where(labelled_B[:, None], shares_BE, 0.0)
    loss_B = functional.cross_entropy(log_probs_BE, shares_BE, reduction="none")
    return masked_loss(loss_B, labelled_B, weight_B)


def kl_divergence(
    log_probs_BE: Tensor, shares_BE: Tensor, weight_B: Tensor | None = None
) -> MaskedLoss:
    """Kullback-Leibler divergence of the model from the shares of the raters' votes.

    It is :func:`soft_cross_entropy` less the entropy of the votes: the gradient is the same,
    but a perfect model scores 0. Parameters as there.
    """
    labelled_B = torch.isfinite(shares_BE).all(dim=1)
    shares_BE = torch.where(labelled_B[:, None], shares_BE, 0.0)
    divergence_BE = functional.kl_div(log_probs_BE, shares_BE, reduction="none")
    return masked_loss(divergence_BE.sum(dim=1), labelled_B, weight_B)


def masked_loss(
    values_B: Tensor, labelled_B: Tensor, weight_B: Tensor | None = None
) -> MaskedLoss:
    """Sum of the weighted ``values_B``, over the number of labelled utterances.

    The values must be finite even where there is no label. In a batch without any label the
    mean is zero and still has a gradient (zero): distributed training waits for the gradient
    of every parameter.
    """
    weight_B = labelled_B if weight_B is None else labelled_B * weight_B
    total = (values_B * weight_B).sum()
    return MaskedLoss(total / labelled_B.sum().clamp_min(1), int(labelled_B.sum()))


# -- dimensions


def dimension_losses(
    predicted_BD: Tensor,
    target_BD: Tensor,
    hparams: SimpleNamespace,
    seen: Mapping[str, np.ndarray],
    weight_B: Tensor | None = None,
) -> dict[str, MaskedLoss]:
    """Compute the losses of the dimensions that ``hparams.loss_weights`` names.

    Parameters
    ----------
    predicted_BD, target_BD : Tensor
        In units of ``va_range``; the target is NaN where there is no label.
    hparams : namespace
    seen : mapping
        Loss -> moments of the epoch so far: ``moments`` of a
        :class:`ser_brain.training.stage_stats.StageRecord`.
    weight_B : Tensor, optional
        How much each utterance counts; 1 by default.

    Raises
    ------
    SERError
        If the head has other outputs than the setting ``dimensions``.
    """
    if predicted_BD.shape != target_BD.shape:
        raise SERError(
            f"va_head gives {predicted_BD.shape[1]} values, but dimensions names "
            f"{target_BD.shape[1]}. Give va_head `dimensions: !ref <dimensions>`, as "
            "hparams/base.yaml does."
        )
    compute = {
        "mse": lambda: mse(predicted_BD, target_BD, weight_B),
        "mae": lambda: mae(predicted_BD, target_BD, weight_B),
        "ccc": lambda: ccc(predicted_BD, target_BD, seen.get("ccc"), weight_B),
    }
    return {name: compute[name]() for name in hparams.loss_weights if name in compute}


def mse(predicted_BD: Tensor, target_BD: Tensor, weight_B: Tensor | None = None) -> MaskedLoss:
    """Mean squared error over the labels; ``target_BD`` is NaN where there is none."""
    difference_BD, labelled_BD = _differences(predicted_BD, target_BD)
    return _mean_over_labels(difference_BD.square(), labelled_BD, weight_B)


def mae(predicted_BD: Tensor, target_BD: Tensor, weight_B: Tensor | None = None) -> MaskedLoss:
    """Mean absolute error over the labels; ``target_BD`` is NaN where there is none."""
    difference_BD, labelled_BD = _differences(predicted_BD, target_BD)
    return _mean_over_labels(difference_BD.abs(), labelled_BD, weight_B)


def _differences(predicted_BD: Tensor, target_BD: Tensor) -> tuple[Tensor, Tensor]:
    labelled_BD = torch.isfinite(target_BD)
    # Replaced, not multiplied by zero: the gradient of 0 * NaN is NaN.
    return predicted_BD - torch.where(
        labelled_BD, target_BD, predicted_BD.detach()
    ), labelled_BD


def _mean_over_labels(
    values_BD: Tensor, labelled_BD: Tensor, weight_B: Tensor | None
) -> MaskedLoss:
    labels = int(labelled_BD.sum())
    if weight_B is not None:
        values_BD = values_BD * weight_B[:, None]
    return MaskedLoss(values_BD.sum() / max(labels, 1), labels / labelled_BD.shape[1])


def ccc(
    predicted_BD: Tensor,
    target_BD: Tensor,
    seen_7D: np.ndarray | None = None,
    weight_B: Tensor | None = None,
) -> MaskedLoss:
    """One minus the concordance correlation (Lin, 1989), a mean over the dimensions.

    A concordance of few utterances is mostly noise, and that of one is 0 / 0. So it is computed
    over all utterances of the epoch so far: those of the batch, and those whose predictions
    were summed before (``seen_7D``). Only the batch's get a gradient, enlarged by how many
    utterances the epoch has for each of the batch, so that each counts as in a mean over the
    batch. The value at the end of an epoch is that of the whole set, however it was batched.

    Parameters
    ----------
    predicted_BD : Tensor
    target_BD : Tensor
        NaN where there is no label.
    seen_7D : ndarray, optional
        Moments of the epoch's earlier batches, the sum of their ``MaskedLoss.moments``: those
        of :func:`concordance`, and the number of labelled utterances.
    weight_B : Tensor, optional
        How much each utterance counts in the moments; 1 by default. It counts as much in a
        batch of one, since the gradient is enlarged by numbers of utterances, not of weights.
    """
    labelled_BD = torch.isfinite(target_BD)
    x_BD = torch.where(labelled_BD, predicted_BD, 0.0)
    y_BD = torch.where(labelled_BD, target_BD, 0.0)
    # In float64: variances are differences of large sums. On the CPU, as not every device
    # has it.
    x_BD, y_BD, n_BD = (each_BD.cpu().double() for each_BD in (x_BD, y_BD, labelled_BD))
    terms = (n_BD, x_BD, y_BD, x_BD * x_BD, y_BD * y_BD, x_BD * y_BD)
    if weight_B is not None:
        terms = [term_BD * weight_B.cpu().double()[:, None] for term_BD in terms]
    moments_7D = torch.stack([term_BD.sum(dim=0) for term_BD in (*terms, n_BD)])
    own_7D = moments_7D.detach().numpy()
    epoch_7D = moments_7D if seen_7D is None else moments_7D + torch.from_numpy(seen_7D)
    loss_D = 1 - concordance(epoch_7D[:6])
    held_D = loss_D.detach()
    enlarged_D = epoch_7D[6].detach() / moments_7D[6].detach().clamp_min(1)
    loss_D = held_D + (loss_D - held_D) * enlarged_D
    there_D = epoch_7D[0].detach() > 0
    mean = (loss_D * there_D).sum() / there_D.sum().clamp_min(1)
    count = float(own_7D[6].mean())
    return MaskedLoss(mean.to(predicted_BD.device, predicted_BD.dtype), count, own_7D)


def concordance(moments_6D):
    """Concordance correlation of each dimension, from sums over utterances.

    Parameters
    ----------
    moments_6D : Tensor or ndarray
        For each dimension the sums of the weights, and of x, y, x * x, y * y and x * y.

    Returns
    -------
    Tensor or ndarray, shape (D,)
        0 where nothing varies.

    Examples
    --------
    >>> x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 5.0])
    >>> sums = [3, x.sum(), y.sum(), x @ x, y @ y, x @ y]
    >>> round(float(concordance(np.array(sums)[:, None])[0]), 4)
    0.6154
    """
    n_D = moments_6D[0] + (moments_6D[0] == 0)
    x_D, y_D, xx_D, yy_D, xy_D = moments_6D[1:] / n_D
    apart_D = (xx_D - x_D**2) + (yy_D - y_D**2) + (x_D - y_D) ** 2
    return 2 * (xy_D - x_D * y_D) / (apart_D + SMALLEST)

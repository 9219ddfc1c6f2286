"""Fit a linear head to a few labelled clips, without leaving the head it starts from too far.

The new head is the old one plus a change, whose squared length costs: with few clips hardly
anything changes, with many the clips decide (biased regularisation; Kuzborskij and Orabona
2013, "Stability and Hypothesis Transfer Learning"). How much it costs is chosen by
cross-validation on the clips, and not to change anything is among the choices.

One or two clips of each class leave nothing to choose by. They are enough beside clips without
labels, which say in which directions all clips of the corpus vary, whatever their emotion: a
change costs more there, as in the covariance of a Gaussian classifier. The cost is given then,
and the head is trusted less; but one that knows all of these clips already stays as it is.

Shapes: N clips, H clips held out, D embedding size, R rank of the embeddings, E classes,
K principal axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor

Head = tuple[Tensor, Tensor]
COSTS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)  # of the change, strong to weak
# Chosen on training corpora by leaving one out; see docs/adapting.md.
FEW = 3  # clips of a class, on average, from which on the cost is chosen by cross-validation
LEAST_UNLABELLED = 20  # clips, before anything is learned from them
FEW_COST, FEW_DIVISOR = 0.1, 2.0  # below: the cost, and what the scores before are divided by
RIDGE = 0.003  # added to the variance in each direction, as a share of the sum of all
WIDER_CLIPS = 50  # pseudo-clips without a direction in the variance of unlabelled clips
FOLDS = 5
MOST_STEPS = 100


@dataclass(frozen=True)
class FewShot:
    """A head that was fitted to labelled clips.

    Attributes
    ----------
    head : (Tensor, Tensor)
        Weight (E, D) and bias (E,), for embeddings as they are.
    cost : float or None
        The cost that was chosen; None where to change nothing was best.
    """

    head: Head
    cost: float | None


def fit_few_shot(
    head: Head,
    scale_D: Tensor,
    embeddings_ND: Tensor,
    class_N: Sequence[int],
    unlabelled_ND: Tensor | None = None,
) -> FewShot:
    """Fit a head to labelled clips, classes weighing alike.

    It learns to tell apart the classes that have clips; clips of one class teach nothing.

    Parameters
    ----------
    head : (Tensor, Tensor)
        Weight (E, D) and bias (E,) to start from; its scores should be calibrated.
    scale_D : Tensor
        Divides the embeddings, so that a change costs alike in all coordinates.
    embeddings_ND : Tensor
        Of two clips or more.
    class_N : sequence of int
        Class indices from 0 to E - 1.
    unlabelled_ND : Tensor, optional
        Embeddings of other clips of the same corpus or person, where the labelled ones are of
        one person. Fewer than ``LEAST_UNLABELLED`` are not used.
    """
    class_N = np.asarray(class_N)
    others_ND = _beside(class_N, unlabelled_ND)
    scores_NE, reduced_NR, axes_RD = _reduced(head, scale_D, embeddings_ND, others_ND)
    cost, divisor, change = _fit(reduced_NR, scores_NE, class_N, others_ND is not None)
    weight_ED, bias_E = (each.double() / divisor for each in head)
    zero = change(np.zeros((1, len(axes_RD))))[0]
    slopes_RE = torch.from_numpy(change(np.eye(len(axes_RD))) - zero)
    change_ED = slopes_RE.T @ axes_RD
    mean_D = embeddings_ND.double().mean(0)
    bias_E = bias_E + torch.from_numpy(zero) - change_ED @ mean_D
    return FewShot((weight_ED + change_ED, bias_E), cost)


def held_out_scores(
    head: Head,
    scale_D: Tensor,
    embeddings_ND: Tensor,
    class_N: Sequence[int],
    unlabelled_ND: Tensor | None = None,
) -> np.ndarray:
    """Log-probabilities (N, E) of each clip by a head that was fitted without it.

    Its cost, too, is found without it: this is what new clips of the same kind may expect.
    The only clip of a class is scored by the head to start from, for without it nothing is
    known of its class. Parameters as :func:`fit_few_shot`.
    """
    class_N = np.asarray(class_N)
    others_ND = _beside(class_N, unlabelled_ND)
    scores_NE, reduced_NR, _ = _reduced(head, scale_D, embeddings_ND, others_ND)
    found_NE = scores_NE.copy()
    for kept, held in _folds(class_N):
        held = held[np.isin(class_N[held], class_N[kept])]
        given = reduced_NR[kept], scores_NE[kept], class_N[kept]
        _, divisor, change = _fit(*given, others_ND is not None)
        found_NE[held] = scores_NE[held] / divisor + change(reduced_NR[held])
    return log_softmax(found_NE, axis=1)


def _beside(class_N: np.ndarray, unlabelled_ND: Tensor | None) -> Tensor | None:
    """The unlabelled clips, where the labelled ones are few and these are enough."""
    few = len(class_N) < FEW * len(np.unique(class_N))
    enough = unlabelled_ND is not None and len(unlabelled_ND) >= LEAST_UNLABELLED
    return unlabelled_ND if few and enough else None


def _reduced(
    head: Head, scale_D: Tensor, embeddings_ND: Tensor, unlabelled_ND: Tensor | None
) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """Scores (N, E) of the head; clips around their mean in R coordinates, and axes (R, D)."""
    x_ND = embeddings_ND.double()
    scores_NE = x_ND @ head[0].double().T + head[1].double()
    # Divided by the root of D, a change costs the same however many coordinates there are.
    scale_D = scale_D.double() * x_ND.shape[1] ** 0.5
    whiten = _whitening(unlabelled_ND, scale_D)
    left_NR, sizes_R, axes_RD = torch.linalg.svd(
        whiten((x_ND - x_ND.mean(0)) / scale_D), full_matrices=False
    )
    return scores_NE.numpy(), (left_NR * sizes_R).numpy(), whiten(axes_RD) / scale_D


def _whitening(unlabelled_ND: Tensor | None, scale_D: Tensor) -> Callable[[Tensor], Tensor]:
    """What shortens rows (..., D) in the directions in which clips without labels vary."""
    if unlabelled_ND is None:
        return lambda rows_ND: rows_ND
    count = len(unlabelled_ND)
    x_ND = (unlabelled_ND.double() - unlabelled_ND.double().mean(0)) / scale_D
    _, sizes_K, axes_KD = torch.linalg.svd(x_ND, full_matrices=False)
    squares_K = sizes_K.square()  # an axis in which nothing varies keeps all of its length
    ridge = RIDGE * squares_K.sum() / count
    kept_K = (ridge / (squares_K / (count + WIDER_CLIPS) + ridge)).sqrt()
    # Afterwards clips are about as long as before, so that the cost means the same.
    before, after = squares_K.sum() / count, (squares_K * kept_K.square()).sum()
    length = ((after + WIDER_CLIPS * before) / (count + WIDER_CLIPS) / before).sqrt()
    return lambda rows_ND: (rows_ND - (rows_ND @ axes_KD.T * (1 - kept_K)) @ axes_KD) / length


Change = Callable[[np.ndarray], np.ndarray]


def _fit(
    reduced_NR: np.ndarray, scores_NE: np.ndarray, class_N: np.ndarray, beside: bool
) -> tuple[float | None, float, Change]:
    """The cost, what divides the scores of the head, and what is then added to them.

    ``beside``: whether few labelled clips are reduced beside unlabelled ones.
    """
    one = len(np.unique(class_N)) == 1
    if one or (beside and (scores_NE.argmax(1) == class_N).all()):
        return None, 1.0, _solve(reduced_NR, scores_NE, class_N, None)
    if beside:
        change = _solve(reduced_NR, scores_NE / FEW_DIVISOR, class_N, FEW_COST)
        return FEW_COST, FEW_DIVISOR, change
    losses: dict[float | None, float] = {None: 0.0} | dict.fromkeys(COSTS, 0.0)
    weight_N = _balanced(class_N)
    for kept, held in _folds(class_N):
        for cost in losses:
            change = _solve(reduced_NR[kept], scores_NE[kept], class_N[kept], cost)
            found_HE = log_softmax(scores_NE[held] + change(reduced_NR[held]), axis=1)
            nll_H = -found_HE[np.arange(len(held)), class_N[held]]
            losses[cost] += float(weight_N[held] @ nll_H)
    best = min(losses, key=losses.get)  # of equals the first, which changes least
    return best, 1.0, _solve(reduced_NR, scores_NE, class_N, best)


def _folds(class_N: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit on and rows held out; the clips of a class are spread over the folds."""
    in_order = np.argsort(class_N, kind="stable")
    count = min(FOLDS, len(class_N))
    held = [np.sort(in_order[first::count]) for first in range(count)]
    return [(np.setdiff1d(in_order, rows), rows) for rows in held]


def _balanced(class_N: np.ndarray) -> np.ndarray:
    weight_N = 1.0 / np.bincount(class_N)[class_N]
    return weight_N / weight_N.sum()


def _solve(
    reduced_NR: np.ndarray, scores_NE: np.ndarray, class_N: np.ndarray, cost: float | None
) -> Change:
    """Minimise the negative log-likelihood plus the cost of the change."""
    rank, classes = reduced_NR.shape[1], scores_NE.shape[1]
    if cost is None:
        return lambda rows_NR: np.zeros((len(rows_NR), classes))
    # The last row is the bias; its change costs, too.
    design_NR = np.column_stack([reduced_NR, np.ones(len(reduced_NR))])
    target_NE, weight_N = np.eye(classes)[class_N], _balanced(class_N)
    absent_E = ~target_NE.any(0)  # their scores stay
    penalty = cost / len(class_N)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        change_RE = flat.reshape(rank + 1, classes)
        logits_NE = scores_NE + design_NR @ change_RE
        logits_NE[:, absent_E] = -np.inf
        log_probs_NE = log_softmax(logits_NE, axis=1)
        truth_N = log_probs_NE[np.arange(len(class_N)), class_N]
        error_NE = weight_N[:, None] * (np.exp(log_probs_NE) - target_NE)
        value = -weight_N @ truth_N + penalty / 2 * flat @ flat
        return value, (design_NR.T @ error_NE + penalty * change_RE).ravel()

    start = np.zeros((rank + 1) * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS})
    change_RE = found.x.reshape(rank + 1, classes)
    return lambda rows_NR: rows_NR @ change_RE[:-1] + change_RE[-1]

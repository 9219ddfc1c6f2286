"""Fit a linear head to a few labelled clips, without leaving the head it starts from too far.

The new head is the old one plus a change, whose squared length costs: with few clips hardly
anything changes, with many the clips decide (biased regularisation; Kuzborskij and Orabona
2013, "Stability and Hypothesis Transfer Learning"). How much it costs is chosen by
cross-validation on the clips, and not to change anything is among the choices.

Shapes: N clips, H clips held out, D embedding size, R rank of the embeddings, E classes.
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
COSTS = (10.0, 3.0, 1.0, 0.3, 0.1)  # of the change, strong to weak
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
    head: Head, scale_D: Tensor, embeddings_ND: Tensor, class_N: Sequence[int]
) -> FewShot:
    """Fit a head to labelled clips, classes weighing alike.

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
    """
    weight_ED, bias_E = (each.double() for each in head)
    scores_NE, reduced_NR, axes_RD = _reduced(head, scale_D, embeddings_ND)
    cost, change = _fit(reduced_NR, scores_NE, np.asarray(class_N))
    zero = change(np.zeros((1, len(axes_RD))))[0]
    slopes_RE = torch.from_numpy(change(np.eye(len(axes_RD))) - zero)
    change_ED = slopes_RE.T @ axes_RD
    mean_D = embeddings_ND.double().mean(0)
    bias_E = bias_E + torch.from_numpy(zero) - change_ED @ mean_D
    return FewShot((weight_ED + change_ED, bias_E), cost)


def held_out_scores(
    head: Head, scale_D: Tensor, embeddings_ND: Tensor, class_N: Sequence[int]
) -> np.ndarray:
    """Log-probabilities (N, E) of each clip by a head that was fitted without it.

    Its cost, too, is chosen without it: this is what new clips of the same kind may expect.
    Parameters as :func:`fit_few_shot`.
    """
    class_N = np.asarray(class_N)
    scores_NE, reduced_NR, _ = _reduced(head, scale_D, embeddings_ND)
    found_NE = scores_NE.copy()
    for kept, held in _folds(class_N):
        _, change = _fit(reduced_NR[kept], scores_NE[kept], class_N[kept])
        found_NE[held] += change(reduced_NR[held])
    return log_softmax(found_NE, axis=1)


def _reduced(
    head: Head, scale_D: Tensor, embeddings_ND: Tensor
) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """Scores (N, E) of the head; clips around their mean in R coordinates, and axes (R, D)."""
    x_ND = embeddings_ND.double()
    scores_NE = x_ND @ head[0].double().T + head[1].double()
    # Divided by the root of D, a change costs the same however many coordinates there are.
    scale_D = scale_D.double() * x_ND.shape[1] ** 0.5
    left_NR, sizes_R, axes_RD = torch.linalg.svd(
        (x_ND - x_ND.mean(0)) / scale_D, full_matrices=False
    )
    return scores_NE.numpy(), (left_NR * sizes_R).numpy(), axes_RD / scale_D


Change = Callable[[np.ndarray], np.ndarray]


def _fit(
    reduced_NR: np.ndarray, scores_NE: np.ndarray, class_N: np.ndarray
) -> tuple[float | None, Change]:
    """The cost that predicts held-out clips best, and what it adds to their scores."""
    losses: dict[float | None, float] = {None: 0.0} | dict.fromkeys(COSTS, 0.0)
    weight_N = _balanced(class_N)
    for kept, held in _folds(class_N):
        for cost in losses:
            change = _solve(reduced_NR[kept], scores_NE[kept], class_N[kept], cost)
            found_HE = log_softmax(scores_NE[held] + change(reduced_NR[held]), axis=1)
            nll_H = -found_HE[np.arange(len(held)), class_N[held]]
            losses[cost] += float(weight_N[held] @ nll_H)
    best = min(losses, key=losses.get)  # of equals the first, which changes least
    return best, _solve(reduced_NR, scores_NE, class_N, best)


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
    penalty = cost / len(class_N)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        change_RE = flat.reshape(rank + 1, classes)
        logits_NE = scores_NE + design_NR @ change_RE
        logits_NE -= logits_NE.max(1, keepdims=True)
        log_probs_NE = logits_NE - np.log(np.exp(logits_NE).sum(1, keepdims=True))
        value = -weight_N @ (target_NE * log_probs_NE).sum(1) + penalty / 2 * flat @ flat
        error_NE = weight_N[:, None] * (np.exp(log_probs_NE) - target_NE)
        return value, (design_NR.T @ error_NE + penalty * change_RE).ravel()

    start = np.zeros((rank + 1) * classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS})
    change_RE = found.x.reshape(rank + 1, classes)
    return lambda rows_NR: rows_NR @ change_RE[:-1] + change_RE[-1]

"""Linear discriminant analysis with shrinkage, of embeddings that come in chunks.

Axes: B clips of a chunk, N clips, D embedding size, E classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Chunk = tuple[Tensor, Tensor, Tensor]


@torch.no_grad()
def discriminant(
    chunks: Callable[[], Iterable[Chunk]], classes: int, shrinkage: float
) -> tuple[Tensor, Tensor]:
    """Fit a Gaussian to every class, with a covariance that all classes share.

    All classes are alike likely, and count alike in the covariance, however many clips they
    have. The result is that of scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr",
    shrinkage=..., priors=uniform)``, which needs a covariance even where the coordinates are
    many and the clips few, and all clips in memory where they are many.

    Parameters
    ----------
    chunks : callable
        Gives an iterable of chunks, twice: embeddings (B, D), class indices (B,), -1 where a
        clip has no label, and weights (B,), at least 0.
    classes : int
    shrinkage : float
        Above 0 and at most 1: how far the covariance is drawn to one of equal, independent
        variances (Friedman 1989, eq. 18).

    Returns
    -------
    weight_ED, bias_E : Tensor
        Of the linear classifier, float64.
    """
    sums_ED, weight_E, labelled = 0.0, 0.0, 0
    for x_BD, class_B, weight_B in map(_labelled, chunks()):
        share_BE = one_hot(class_B, classes).double() * weight_B[:, None]
        sums_ED, weight_E = sums_ED + share_BE.T @ x_BD, weight_E + share_BE.sum(0)
        labelled += len(x_BD)
    present_E, weight_E = weight_E > 0, weight_E.clamp_min(1e-12)
    mean_ED = sums_ED / weight_E[:, None]
    share_E = present_E / weight_E / present_E.sum()
    dual = labelled < mean_ED.shape[1]  # the smaller of two systems of equations
    rows, system = [], 0.0
    for x_BD, class_B, weight_B in map(_labelled, chunks()):
        scale_B = (share_E[class_B] * weight_B).sqrt()
        within_BD = (x_BD - mean_ED[class_B]) * scale_B[:, None]
        if dual:
            rows.append(within_BD)
        else:
            system = system + within_BD.T @ within_BD
    if dual:
        within_ND = torch.cat(rows)
        system = within_ND @ within_ND.T
    kept = 1 - shrinkage
    ridge = shrinkage * system.trace() / mean_ED.shape[1]
    system = kept * system
    system.diagonal().add_(ridge)
    factor = torch.linalg.cholesky(system)
    if dual:  # by the Woodbury identity
        inner_NE = kept * torch.cholesky_solve(within_ND @ mean_ED.T, factor)
        weight_ED = (mean_ED - inner_NE.T @ within_ND) / ridge
    else:
        weight_ED = torch.cholesky_solve(mean_ED.T, factor).T
    return weight_ED, -0.5 * (weight_ED * mean_ED).sum(1)


def _labelled(chunk: Chunk) -> Chunk:
    x_BD, class_B, weight_B = chunk
    there_B = class_B >= 0
    return x_BD[there_B].double(), class_B[there_B], weight_B[there_B].double()

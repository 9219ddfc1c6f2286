"""Linear discriminant analysis with shrinkage, of embeddings that come in chunks.

Every class is a Gaussian, with a covariance that all classes share. All classes are alike
likely, and count alike in the covariance, however many clips they have. For a decay ``d``, the
scores are those of scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=d / (1 +
d), priors=uniform)`` times ``1 / (1 + d)``. That needs a covariance even where the coordinates
are many and the clips few, and all clips in memory where they are many.

Axes: B clips of a chunk, N clips, D embedding size, E classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Chunk = tuple[Tensor, Tensor, Tensor]


class Discriminant:
    """The moments of labelled embeddings, which every shrinkage shares.

    Parameters
    ----------
    chunks : callable
        Gives an iterable of chunks, twice: embeddings (B, D), class indices (B,), -1 where a
        clip has no label, and weights (B,), at least 0.
    classes : int
    """

    @torch.no_grad()
    def __init__(self, chunks: Callable[[], Iterable[Chunk]], classes: int) -> None:
        sums_ED, weight_E, labelled = 0.0, torch.zeros(classes, dtype=torch.float64), 0
        for x_BD, class_B, weight_B in map(_labelled, chunks()):
            share_BE = one_hot(class_B, classes).double() * weight_B[:, None]
            sums_ED = sums_ED + share_BE.T @ x_BD
            weight_E = weight_E.to(share_BE) + share_BE.sum(0)
            labelled += len(x_BD)
        present_E = weight_E > 0
        self.mean_ED = sums_ED / weight_E.clamp_min(1e-12)[:, None]
        share_E = present_E / weight_E.clamp_min(1e-12) / present_E.sum()
        self.dual = labelled < self.mean_ED.shape[1]  # the smaller of two systems of equations
        rows, self.covariance_DD = [], 0.0
        for x_BD, class_B, weight_B in map(_labelled, chunks()):
            scale_B = (share_E[class_B] * weight_B).sqrt()
            within_BD = (x_BD - self.mean_ED[class_B]) * scale_B[:, None]
            if self.dual:
                rows.append(within_BD)
            else:
                self.covariance_DD = self.covariance_DD + within_BD.T @ within_BD
        if self.dual:
            self.within_ND = torch.cat(rows)
            self.gram_NN = self.within_ND @ self.within_ND.T

    @torch.no_grad()
    def solve(self, decay: float) -> tuple[Tensor, Tensor]:
        """Weights (E, D) and biases (E,) of the linear classifier.

        ``decay`` times the mean variance is added to the variance of every coordinate
        (Friedman 1989, eq. 18).
        """
        system = (self.gram_NN if self.dual else self.covariance_DD).clone()
        ridge = decay * system.trace() / self.mean_ED.shape[1]
        system.diagonal().add_(ridge)
        factor = torch.linalg.cholesky(system)
        if self.dual:  # by the Woodbury identity
            inner_NE = torch.cholesky_solve(self.within_ND @ self.mean_ED.T, factor)
            weight_ED = (self.mean_ED - inner_NE.T @ self.within_ND) / ridge
        else:
            weight_ED = torch.cholesky_solve(self.mean_ED.T, factor).T
        return weight_ED, -0.5 * (weight_ED * self.mean_ED).sum(1)


def _labelled(chunk: Chunk) -> Chunk:
    x_BD, class_B, weight_B = chunk
    there_B = class_B >= 0
    return x_BD[there_B].double(), class_B[there_B], weight_B[there_B].double()

"""Gaussian classifiers in closed form, averaged by how well they know unheard speakers.

A candidate models the embeddings of each class as a Gaussian, with a covariance that all
classes share, of one view of the embedding (some of its coordinates, scaled) and with one
ridge. Inner folds of speakers say how far to trust each candidate. All are linear, and so is
their average.

Axes: B clips of a chunk, N clips, D embedding size, E classes, V views, R ridges, U coordinates
that all views scale alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import one_hot, pad

from ser_brain.data.folding import classes_of, cut, exchanged
from ser_brain.models.model import EmotionModel

Chunk = tuple[Tensor, Tensor, Tensor]
Chunks = Callable[[], Iterable[Chunk]]
FOLDS = 5
MOST_COMPARED = 2048  # clips in the inner folds; of more, this many are drawn
SHARPNESS = 20.0  # a candidate whose NLL is .05 worse than another's counts 1 / e as much
COLDEST, HOTTEST = 1e-3, 10.0  # bounds of the factor on a candidate's logits
# Of a clip, of each class: N clips that are all right do not prove that none will be wrong, and
# the best factor would be infinite. More makes other probabilities too cautious.
ADDED = 0.1
SPECTRUM_SHARE = 0.2  # of the variance of all coordinates
NEVER = -1e4  # logit of a class without a training clip


@dataclass(frozen=True)
class LinearClassifier:
    """Logits are ``x_ND @ weight_ED.T + bias_E``.

    Attributes
    ----------
    weight_ED, bias_E : Tensor
        float64.
    share_VR : Tensor
        Of every candidate in the average; they sum to one.
    kept_together : {"speaker", "clip", None}
        What the inner folds kept in one piece; None: nothing was compared.
    """

    weight_ED: Tensor
    bias_E: Tensor
    share_VR: Tensor
    kept_together: str | None


@torch.no_grad()
def averaged_discriminant(
    chunks: Chunks,
    classes: int,
    speakers: Sequence[str | None],
    scale_VD: Tensor,
    ridges: Sequence[float],
) -> LinearClassifier:
    """Fit Gaussian classifiers and average them.

    Every candidate is fitted to the clips of all but one of five folds of speakers and scores
    those of the last. Its logits get the factor that is best for these scores. Its share in the
    average follows from the negative log-likelihood that is left. Then all are fitted once more
    to all clips. The average, too, gets the factor that is best for the scores of the inner
    folds, so its probabilities need no temperature from other speakers. There, a little of each
    class is added to the targets, as Platt (1999) does.

    A single candidate is linear discriminant analysis: scikit-learn's with ``solver="lsqr"``
    and a ``shrinkage`` s, whose logits are ``1 / (1 - s)`` times those with the ridge
    ``s / (1 - s) / D``.

    Classes count as their weights do in all, in the covariance and in the prior.

    Parameters
    ----------
    chunks : callable
        Gives an iterable of chunks, four times at most: standardised embeddings (B, D), class
        indices (B,), -1 where a clip has no label, and weights (B,), at least 0.
    classes : int
    speakers : sequence of str or None
        Of every clip, in the order of the chunks; None where unknown. Without two speakers the
        folds are of clips.
    scale_VD : Tensor
        For each view the factor on every coordinate; 0 leaves it out.
    ridges : sequence of float
        Above 0: what is added to each variance, as a share of the sum of all variances.
    """
    data = _read(chunks, classes, speakers)
    share_VR, factor_VR, together = _compared(data, scale_VD.double(), ridges)
    if data.is_complete:
        weight_ED, bias_E = _dual(data, scale_VD.double(), ridges, share_VR * factor_VR)
    else:
        weight_ED, bias_E = _primal(
            chunks, data.prior_E, scale_VD.double(), ridges, share_VR * factor_VR
        )
    bias_E = bias_E + data.prior_E.clamp_min(1e-12).log()
    return LinearClassifier(
        weight_ED, bias_E.where(data.prior_E > 0, NEVER), share_VR, together
    )


def class_factors(class_N: Tensor, weight_N: Tensor, classes: int) -> Tensor:
    """Factors (E,) on weights (N,) with which all classes count alike; -1 is no class.

    Weights that were balanced for some clips are not balanced for more of them.
    """
    there_N = class_N >= 0
    share_NE = one_hot(class_N[there_N], classes) * weight_N[there_N, None]
    return there_N.sum() / (classes * share_NE.sum(0).clamp_min(1e-12))


def views_of(model: EmotionModel) -> dict[str, Tensor]:
    """Of which coordinates a Gaussian classifier is made: name -> factor on each (D,).

    The middle one of several layers that stand side by side, and everything. All coordinates of
    frames have the same variance, and those of the spectrum together a fixed share of the sum.
    """
    encoder, pool = model.encoder, model.pool
    everything_D = torch.ones(pool.dim)
    beside = pool.dim - pool.frames_dim
    if beside:
        variance = SPECTRUM_SHARE / (1 - SPECTRUM_SHARE) * pool.frames_dim / beside
        everything_D[-beside:] = variance**0.5
    layers = getattr(encoder, "used", [None])
    if len(layers) == 1 or encoder.layer == "mix":
        return {"everything": everything_D}
    middle_D, width = torch.zeros(pool.dim), encoder.dim // len(layers)
    place = len(layers) // 2
    for begin in range(place * width, pool.frames_dim, encoder.dim):
        middle_D[begin : begin + width] = 1.0
    return {f"layer {layers[place]}": middle_D, "everything": everything_D}


@dataclass(frozen=True)
class _Clips:
    """Labelled clips, all or a sample; ``prior_E`` is of all."""

    x_ND: Tensor
    class_N: Tensor
    weight_N: Tensor
    speakers: list[str | None]
    prior_E: Tensor
    is_complete: bool

    def at(self, rows: Tensor) -> _Clips:
        speakers = [self.speakers[n] for n in rows.tolist()]
        parts = self.x_ND[rows], self.class_N[rows], self.weight_N[rows]
        return _Clips(*parts, speakers, self.prior_E, False)


def _read(chunks: Chunks, classes: int, speakers: Sequence[str | None]) -> _Clips:
    """All labelled clips if they are fewer than coordinates, or a random sample of them."""
    sizes, total_E, place, names = [], 0.0, 0, []
    for x_BD, class_B, weight_B in chunks():
        there_B = class_B >= 0
        share_BE = one_hot(class_B[there_B], classes) * weight_B[there_B, None].double()
        total_E = total_E + share_BE.sum(0)
        sizes.append(int(there_B.sum()))
        names += [speakers[place + n] for n in there_B.nonzero()[:, 0].tolist()]
        place, dim = place + len(class_B), x_BD.shape[1]
    count = sum(sizes)
    is_complete = count <= max(dim, MOST_COMPARED)
    taken_N = torch.ones(count, dtype=torch.bool)
    if not is_complete:
        order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
        taken_N[order[MOST_COMPARED:]] = False
    parts = []
    for (x_BD, class_B, weight_B), taken_B in zip(chunks(), taken_N.split(sizes), strict=True):
        rows = (class_B >= 0).nonzero()[:, 0][taken_B.to(class_B.device)]
        parts.append((x_BD[rows], class_B[rows], weight_B[rows].double()))
    x_ND, class_N, weight_N = (torch.cat(each) for each in zip(*parts, strict=True))
    names = [name for name, taken in zip(names, taken_N.tolist(), strict=True) if taken]
    prior_E = total_E / total_E.sum()
    return _Clips(x_ND, class_N, weight_N, names, prior_E, is_complete)


# -- comparing candidates


def _compared(
    data: _Clips, scale_VD: Tensor, ridges: Sequence[float]
) -> tuple[Tensor, Tensor, str | None]:
    """Shares (V, R) and factors (V, R) of the candidates, and what the folds keep together."""
    shape = len(scale_VD), len(ridges)
    alone = torch.zeros(shape, dtype=torch.float64, device=data.x_ND.device)
    alone[-1, int(np.argmax(ridges))] = 1.0
    if alone.numel() == 1:
        return alone, torch.ones_like(alone), None
    if len(data.x_ND) > MOST_COMPARED:
        order = torch.randperm(len(data.x_ND), generator=torch.Generator().manual_seed(0))
        data = data.at(order[:MOST_COMPARED].to(data.x_ND.device))
    fold_N, together = inner_folds(data.class_N.tolist(), data.speakers)
    if together is None:
        return alone, torch.ones_like(alone), None
    fold_N = torch.from_numpy(fold_N).to(data.class_N.device)
    nll_VR, factor_VR = torch.ones_like(alone), torch.ones_like(alone)
    logits_VRNE = []
    for v, gram_NN in enumerate(_grams(data.x_ND, scale_VD)):
        logits_RNE = gram_NN.new_zeros(len(ridges), len(gram_NN), len(data.prior_E))
        for fold in range(int(fold_N.max()) + 1):
            a, b = (fold_N != fold).nonzero()[:, 0], (fold_N == fold).nonzero()[:, 0]
            fits = _solve(
                gram_NN[a][:, a], data.class_N[a], data.weight_N[a], data.prior_E, ridges
            )
            for r, (coefficient_EA, bias_E) in enumerate(fits):
                logits_RNE[r, b] = gram_NN[b][:, a] @ coefficient_EA.T + bias_E
        for r, logits_NE in enumerate(logits_RNE):
            nll_VR[v, r], factor_VR[v, r] = _best_factor(logits_NE, data)
        logits_VRNE.append(logits_RNE)
    share_VR = torch.softmax(-SHARPNESS * nll_VR.flatten(), 0).view(shape)
    logits_NE, each_VR = 0.0, share_VR * factor_VR
    for logits_RNE, each_R in zip(logits_VRNE, each_VR, strict=True):
        # Not 0 * -inf, which is NaN: a share may be 0, and a class missing.
        logits_NE = logits_NE + (each_R.clamp_min(1e-9)[:, None, None] * logits_RNE).sum(0)
    _, factor = _best_factor(logits_NE, data, added=ADDED)
    return share_VR, factor * factor_VR, together


def inner_folds(
    class_N: Sequence[int], speakers: Sequence[str | None]
) -> tuple[np.ndarray, str | None]:
    """Number of the fold of every clip, and what the folds keep together.

    At most five folds, of speakers, or of clips if there are not two speakers; each with every
    class where that is possible. Clips of unknown speakers stay together. None where no class
    has two clips.
    """
    ids = [str(n) for n in range(len(class_N))]
    rows = {
        i: {"emotion": str(c), "speaker": "" if s is None else s}
        for i, c, s in zip(ids, class_N, speakers, strict=True)
    }
    speaking = {row["speaker"] for row in rows.values()}
    by = "speaker" if len(speaking) > 1 else None
    most = max(Counter(class_N).values())  # scikit-learn's limit
    if by:
        most = min(most, len(speaking))
    if most < 2:
        return np.zeros(len(ids), int), None
    parts = cut(rows, ids, by, min(FOLDS, most), seed=1)
    if by:
        parts = exchanged(rows, parts, by, [1] * len(parts), classes_of(rows, ids))
    fold_N = np.zeros(len(ids), int)
    for number, part in enumerate(parts):
        fold_N[[int(i) for i in part]] = number
    return fold_N, by or "clip"


def _best_factor(logits_NE: Tensor, data: _Clips, added: float = 0.0) -> tuple[float, float]:
    """The lowest negative log-likelihood that a factor on the logits can reach, and it.

    Clips of a class that was missing where they were scored do not count. ``added`` clips of
    each class are shared out among the targets of all clips.
    """
    each_N = torch.arange(len(logits_NE), device=logits_NE.device)
    known_N = logits_NE[each_N, data.class_N] > -torch.inf
    class_N, logits_NE = data.class_N[known_N], logits_NE[known_N]
    weight_N = _class_weights(data.weight_N[known_N], class_N, data.prior_E)[0]
    weight_N, class_N = (weight_N / weight_N.sum()).cpu(), class_N.cpu()
    logits_NE, prior_E = logits_NE.cpu(), data.prior_E.clamp_min(1e-12).log().cpu()
    known_NE = (logits_NE > -torch.inf) & (data.prior_E > 0).cpu()
    any_NE = known_NE / known_NE.sum(1, keepdim=True)
    added *= int((data.prior_E > 0).sum())
    share = added / (len(class_N) + added)

    def loss(log_factor: float) -> float:
        scaled_NE = torch.log_softmax(np.exp(log_factor) * logits_NE + prior_E, dim=1)
        right_N = scaled_NE.gather(1, class_N[:, None])[:, 0]
        any_N = (any_NE * scaled_NE.where(known_NE, 0.0)).sum(1)
        return float(-(weight_N * ((1 - share) * right_N + share * any_N)).sum())

    # Of clips that are known by heart, the average has huge margins.
    bounds = np.log(COLDEST**4 if added else COLDEST), np.log(HOTTEST)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return found.fun, float(np.exp(found.x))


# -- solving


def _grams(x_ND: Tensor, scale_VD: Tensor) -> list[Tensor]:
    """Inner products (N, N) of the clips in every view, each pair of coordinates read once."""
    # Coordinates with the same factors stand together, so nothing has to be sorted. (On two
    # dimensions unique_consecutive takes longer than the products.)
    block_D = pad((scale_VD.diff(dim=1) != 0).any(0).cumsum(0), (1, 0))
    width_U = block_D.bincount()
    scale_UV = scale_VD.T[width_U.cumsum(0) - width_U]
    grams = [x_ND.new_zeros(len(x_ND), len(x_ND), dtype=torch.float64) for _ in scale_VD]
    for x_NU, scale_V in zip(x_ND.split(width_U.tolist(), dim=1), scale_UV, strict=True):
        x_NU = x_NU.double()
        block_NN = x_NU @ x_NU.T
        for gram_NN, scale in zip(grams, scale_V.tolist(), strict=True):
            if scale:
                gram_NN.add_(block_NN, alpha=scale**2)
    return grams


def _class_weights(weight_N: Tensor, class_N: Tensor, prior_E: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (N,) with which each class sums to its prior, and the shares in its mean (N,)."""
    total_E = torch.zeros_like(prior_E).index_add_(0, class_N, weight_N).clamp_min(1e-12)
    share_N = weight_N / total_E[class_N]
    return share_N * prior_E[class_N], share_N


def _solve(
    gram_NN: Tensor,
    class_N: Tensor,
    weight_N: Tensor,
    prior_E: Tensor,
    ridges: Sequence[float],
) -> list[tuple[Tensor, Tensor]]:
    """The classifier of every ridge, without its prior, from inner products of the clips.

    Returns coefficients (E, N), with which the clips add up to the weights, and biases (E,),
    minus infinity for a class without clips. By the Woodbury identity, N equations do for D.
    """
    each_NE = one_hot(class_N, len(prior_E)).to(gram_NN.dtype)
    count_N, share_N = _class_weights(weight_N, class_N, prior_E)
    mean_EN = (each_NE * share_N[:, None]).T
    mean_gram_EN = mean_EN @ gram_NN
    root_N = count_N.sqrt()
    within_NN = root_N[:, None] * (gram_NN - mean_gram_EN[class_N])
    right_NE = within_NN @ mean_EN.T
    within_NN = (within_NN - right_NE[:, class_N]) * root_N
    there_E = each_NE.sum(0) > 0
    trace, found = within_NN.trace(), []
    for ridge in ridges:
        added = (ridge * trace).clamp_min(1e-9)
        system_NN = within_NN.clone()
        system_NN.diagonal().add_(added)
        solved_NE = torch.cholesky_solve(right_NE, torch.linalg.cholesky(system_NN))
        solved_EN = (root_N[:, None] * solved_NE).T
        coefficient_EN = (mean_EN - solved_EN + (solved_EN @ each_NE) @ mean_EN) / added
        bias_E = -0.5 * (coefficient_EN * mean_gram_EN).sum(1)
        found.append((coefficient_EN, bias_E.where(there_E, -torch.inf)))
    return found


def _dual(
    data: _Clips, scale_VD: Tensor, ridges: Sequence[float], factor_VR: Tensor
) -> tuple[Tensor, Tensor]:
    """Sum of the candidates by their factors, from inner products of the clips."""
    weight_ED, bias_E = 0.0, torch.zeros_like(data.prior_E)
    for scale_D, gram_NN, factor_R in zip(
        scale_VD, _grams(data.x_ND, scale_VD), factor_VR, strict=True
    ):
        fits = _solve(gram_NN, data.class_N, data.weight_N, data.prior_E, ridges)
        coefficient_EN = sum(f * c for f, (c, _) in zip(factor_R, fits, strict=True))
        bias_E = bias_E + sum(f * b for f, (_, b) in zip(factor_R, fits, strict=True))
        weight_ED = weight_ED + (coefficient_EN @ data.x_ND.double()) * scale_D.square()
    return weight_ED, bias_E


def _primal(
    chunks: Chunks,
    prior_E: Tensor,
    scale_VD: Tensor,
    ridges: Sequence[float],
    factor_VR: Tensor,
) -> tuple[Tensor, Tensor]:
    """The same from the covariance of the coordinates: memory does not grow with the clips."""
    classes = len(prior_E)
    sums_ED, total_E = 0.0, 0.0
    for x_BD, class_B, weight_B in map(_labelled, chunks()):
        share_BE = one_hot(class_B, classes) * weight_B[:, None]
        sums_ED, total_E = sums_ED + share_BE.T @ x_BD, total_E + share_BE.sum(0)
    total_E = total_E.clamp_min(1e-12)
    mean_ED = sums_ED / total_E[:, None]
    within_DD = 0.0
    for x_BD, class_B, weight_B in map(_labelled, chunks()):
        root_B = (weight_B * (prior_E / total_E)[class_B]).sqrt()
        rows_BD = (x_BD - mean_ED[class_B]) * root_B[:, None]
        within_DD = within_DD + rows_BD.T @ rows_BD
    weight_ED, bias_E = torch.zeros_like(mean_ED), torch.zeros_like(prior_E)
    for scale_D, factor_R in zip(scale_VD, factor_VR, strict=True):
        used = scale_D.nonzero()[:, 0]
        scale_U, mean_EU = scale_D[used], mean_ED[:, used] * scale_D[used]
        system_UU = within_DD[used][:, used] * scale_U * scale_U[:, None]
        trace, added = system_UU.trace(), 0.0
        for ridge, factor in zip(ridges, factor_R, strict=True):
            system_UU.diagonal().add_(ridge * trace - added)
            added = ridge * trace
            solved_EU = torch.cholesky_solve(mean_EU.T, torch.linalg.cholesky(system_UU)).T
            weight_ED[:, used] += factor * solved_EU * scale_U
            bias_E = bias_E - 0.5 * factor * (solved_EU * mean_EU).sum(1)
    return weight_ED, bias_E


def _labelled(chunk: Chunk) -> Chunk:
    x_BD, class_B, weight_B = chunk
    there_B = class_B >= 0
    return x_BD[there_B].double(), class_B[there_B], weight_B[there_B].double()

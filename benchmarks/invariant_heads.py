"""Linear heads that are trained not to depend on the corpus (domain_generalisation.py).

Shapes: N clips, R principal components, K width of a net, E classes, G groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from adaptation import RIDGE
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot

Head = tuple[Tensor, Tensor]
WIDTH = 32  # of a learned projection
INPUTS = 200  # principal components that a net sees
STEPS, RATE, DECAY = 150, 3e-3, 0.1
BATCH = 256  # clips of a contrastive step
COPIES = 4  # of each clip, with mixed statistics
SPEAKER_CLIPS = 4  # pseudo-clips in the offset of a speaker


@dataclass(frozen=True)
class Clips:
    """Training clips in the coordinates of their principal components, which lose nothing."""

    z_NR: Tensor
    class_N: Tensor
    weight_N: Tensor  # corpora alike, and classes within each
    corpus_N: Tensor
    speaker_N: Tensor

    def groups(self, of: str) -> Tensor:
        cells_N = self.corpus_N * (int(self.class_N.max()) + 1) + self.class_N
        return {"corpus": self.corpus_N, "cell": cells_N, "speaker": self.speaker_N}[of]


def means(x_NR: Tensor, weight_N: Tensor, group_N: Tensor) -> Tensor:
    share_NG = one_hot(group_N).double() * weight_N[:, None]
    return (share_NG.T @ x_NR) / share_NG.sum(0).clamp_min(1e-12)[:, None]


def without(x_NR: Tensor, clips: Clips, group_N: Tensor) -> Tensor:
    return x_NR - means(x_NR, clips.weight_N, group_N)[group_N]


# -- closed forms


def plain(clips: Clips, seed: int, added_RR: Tensor | float = 0.0) -> Head:
    """Gaussian classifier with a ridge, as in the adapter; ``added`` to the covariance."""
    mean_ER = means(clips.z_NR, clips.weight_N, clips.class_N)
    residual_NR = clips.z_NR - mean_ER[clips.class_N]
    within_RR = (residual_NR * clips.weight_N[:, None]).T @ residual_NR / clips.weight_N.sum()
    system_RR = within_RR + added_RR + RIDGE * within_RR.trace() * torch.eye(len(within_RR))
    weight_ER = torch.linalg.solve(system_RR, mean_ER.T).T
    return weight_ER, -0.5 * (weight_ER * mean_ER).sum(1)


def offsets(clips: Clips, of: str) -> Tensor:
    """What each corpus, class of a corpus or speaker adds to the mean of the class: (G, R)."""
    inner_N = clips.groups("cell") if of == "speaker" else clips.class_N
    residual_NR, group_N = without(clips.z_NR, clips, inner_N), clips.groups(of)
    offset_GR = means(residual_NR, clips.weight_N, group_N)
    count_G = one_hot(group_N).sum(0).double()
    factor_G = (
        count_G / (count_G + SPEAKER_CLIPS) if of == "speaker" else (count_G > 0).double()
    )
    return offset_GR[count_G > 0] * factor_G[count_G > 0, None]


def attribute_projection(clips: Clips, seed: int, of: str, directions: int) -> Head:
    """Take the main directions of the offsets out (NAP: Solomonoff et al. 2005)."""
    basis_RK = torch.linalg.svd(offsets(clips, of), full_matrices=False)[2][:directions].T
    return plain(replace(clips, z_NR=clips.z_NR - clips.z_NR @ basis_RK @ basis_RK.T), seed)


def nuisance_covariance(clips: Clips, seed: int, of: str, factor: float) -> Head:
    """Count the offsets many times in the covariance (WCCN: Hatch et al. 2006)."""
    offset_GR = offsets(clips, of)
    return plain(clips, seed, factor * offset_GR.T @ offset_GR / len(offset_GR))


def mixed_statistics(clips: Clips, seed: int, of: str, alpha: float) -> Head:
    """Add copies with mixed means and deviations of groups (MixStyle: Zhou et al. 2021)."""
    random = np.random.default_rng(seed)
    group_N = torch.unique(clips.groups(of), return_inverse=True)[1]
    residual_NR = without(clips.z_NR, clips, clips.groups("cell" if of == "speaker" else of))
    mean_GR = means(clips.z_NR, clips.weight_N, group_N)
    if of == "speaker":  # who may show one emotion: the offset, not the mean
        mean_GR = offsets(clips, of)
        residual_NR = residual_NR - mean_GR[group_N]
    spread_GR = means(residual_NR.square(), clips.weight_N, group_N)
    count_G1 = one_hot(group_N).sum(0)[:, None].double()
    pooled_R = residual_NR.square().mean(0)
    spread_GR = ((count_G1 * spread_GR + 20 * pooled_R) / (count_G1 + 20)).sqrt()
    found = [clips.z_NR]
    for _ in range(COPIES):
        other_N = torch.from_numpy(random.integers(len(mean_GR), size=len(group_N)))
        share_N1 = torch.from_numpy(random.beta(alpha, alpha, (len(group_N), 1)))
        ratio_NR = spread_GR[other_N] / spread_GR[group_N] - 1
        shift_NR = mean_GR[other_N] - mean_GR[group_N] + residual_NR * ratio_NR
        found.append(clips.z_NR + share_N1 * shift_NR)
    times = len(found)
    class_N, weight_N = clips.class_N.repeat(times), clips.weight_N.repeat(times)
    return plain(
        replace(clips, z_NR=torch.cat(found), class_N=class_N, weight_N=weight_N), seed
    )


def aligned(clips: Clips, seed: int, share: float, centred: bool) -> Head:
    """Give the training corpora one covariance (CORAL: Sun et al. 2016), and one mean."""
    residual_NR = without(clips.z_NR, clips, clips.corpus_N)
    root = {}
    for corpus in [None, *clips.corpus_N.unique().tolist()]:
        there_N = clips.weight_N * (1.0 if corpus is None else clips.corpus_N == corpus)
        value_RR = (residual_NR * there_N[:, None]).T @ residual_NR / there_N.sum()
        value_R, vector_RR = torch.linalg.eigh(value_RR)
        value_R = value_R.clamp_min(0) + RIDGE * value_R.sum()
        root[corpus] = vector_RR, value_R.sqrt()
    vector_RR, pooled_R = root.pop(None)
    recolour_RR = (vector_RR * pooled_R) @ vector_RR.T
    z_NR = clips.z_NR.clone()
    for corpus, (vector_RR, value_R) in root.items():
        rows = clips.corpus_N == corpus
        moved_NR = residual_NR[rows] @ ((vector_RR / value_R) @ vector_RR.T @ recolour_RR)
        z_NR[rows] += share * (moved_NR - residual_NR[rows])
    if centred:
        z_NR = z_NR - share * means(z_NR, clips.weight_N, clips.corpus_N)[clips.corpus_N]
    return plain(replace(clips, z_NR=z_NR), seed)


# -- by steps: a linear projection and a softmax, with one thing added


@torch.enable_grad()
def net(
    clips: Clips,
    seed: int,
    decay: float = DECAY,
    adversary: tuple[str, float] | None = None,
    contrast: tuple[str, float] | None = None,
    coral: float = 0.0,
    robust: tuple[str, float] | None = None,
) -> Head:
    torch.manual_seed(seed)
    center_R = clips.weight_N @ clips.z_NR / clips.weight_N.sum()
    x_NR = clips.z_NR[:, :INPUTS] - center_R[:INPUTS]
    variance_R = x_NR.var(0, correction=0)
    scale_R = (variance_R + RIDGE * (clips.z_NR - center_R).square().mean(0).sum()).sqrt()
    x_NR = (x_NR / scale_R).float()
    weight_N = (clips.weight_N / clips.weight_N.sum()).float()
    classes = int(clips.class_N.max()) + 1
    project, head = nn.Linear(x_NR.shape[1], WIDTH, bias=False), nn.Linear(WIDTH, classes)
    group_N, group_share = clips.corpus_N, 1.0
    if adversary or robust:
        group_N = torch.unique(clips.groups((adversary or robust)[0]), return_inverse=True)[1]
        group_share = torch.ones(int(group_N.max()) + 1) / (int(group_N.max()) + 1)
    judge = nn.Linear(WIDTH, int(group_N.max()) + 1)
    parts = [*project.parameters(), *head.parameters(), *judge.parameters()]
    optimizer = torch.optim.Adam(parts, RATE, weight_decay=decay)
    for _ in range(STEPS):
        if contrast:
            rows = torch.multinomial(weight_N, min(BATCH, len(weight_N)))
            loss = contrastive(project(x_NR[rows]), clips, rows, *contrast)
        else:
            u_NK = project(x_NR)
            loss_N = cross_entropy(head(u_NK), clips.class_N, reduction="none") * weight_N
            loss = loss_N.sum()
        if robust:  # GroupDRO: Sagawa et al. 2020
            share_NG = one_hot(group_N).float()
            loss_G = (loss_N @ share_NG) / (weight_N @ share_NG)
            group_share = (group_share * (robust[1] * loss_G.detach()).exp()).clamp_min(1e-6)
            group_share = group_share / group_share.sum()
            loss = group_share @ loss_G
        if adversary:  # gradient reversal: Ganin et al. 2016
            turned_NK = (1 + adversary[1]) * u_NK.detach() - adversary[1] * u_NK
            judged_N = cross_entropy(judge(turned_NK), group_N, reduction="none")
            loss = loss + weight_N @ judged_N
        if coral:  # Deep CORAL: Sun and Saenko 2016, relative to the variance
            loss = loss + coral * statistics_gap(u_NK, weight_N, clips.corpus_N)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    project_KR = project.weight.detach().double() / scale_R
    if contrast:
        u_NK = (clips.z_NR[:, :INPUTS] - center_R[:INPUTS]) @ project_KR.T
        weight_EK, bias_E = plain(replace(clips, z_NR=u_NK), seed)
    else:
        weight_EK, bias_E = head.weight.detach().double(), head.bias.detach().double()
    weight_ER = torch.zeros(classes, clips.z_NR.shape[1], dtype=torch.float64)
    weight_ER[:, :INPUTS] = weight_EK @ project_KR
    return weight_ER, bias_E - weight_ER @ center_R


def contrastive(u_NK: Tensor, clips: Clips, rows: Tensor, of: str, heat: float) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020); positives are of other groups."""
    u_NK = normalize(u_NK, dim=1)
    logits_NN = (u_NK @ u_NK.T / heat).masked_fill(torch.eye(len(rows), dtype=bool), -1e4)
    class_N, group_N = clips.class_N[rows], clips.groups(of)[rows]
    positive_NN = (class_N[:, None] == class_N) & (group_N[:, None] != group_N)
    found_N = (logits_NN.log_softmax(1) * positive_NN).sum(1) / positive_NN.sum(1).clamp_min(1)
    return -found_N.mean()


def statistics_gap(u_NK: Tensor, weight_N: Tensor, corpus_N: Tensor) -> Tensor:
    def moments(weight_N):
        mean_K = weight_N @ u_NK / weight_N.sum()
        centred_NK = u_NK - mean_K
        return mean_K, (centred_NK * weight_N[:, None]).T @ centred_NK / weight_N.sum()

    mean_K, all_KK = moments(weight_N)
    gap = 0.0
    for corpus in corpus_N.unique():
        own_K, own_KK = moments(weight_N * (corpus_N == corpus))
        gap = gap + (own_KK - all_KK).square().sum() / all_KK.square().sum()
        gap = gap + (own_K - mean_K).square().sum() / all_KK.trace()
    return gap


def settings(name: str, *values, **fixed) -> list[dict]:
    return [{name: value, **fixed} for value in values]


GROUPS = ("corpus", "cell", "speaker")
# Name -> (function, settings, whether it draws at random).
METHODS: dict[str, tuple[Callable, list[dict], bool]] = {
    "plain": (plain, [{}], False),
    "attribute projection": (
        attribute_projection,
        settings("of", *GROUPS, directions=2),
        False,
    ),
    "nuisance covariance": (nuisance_covariance, settings("of", *GROUPS, factor=10), False),
    "mixed statistics": (
        mixed_statistics,
        settings("of", "corpus", "speaker", alpha=1.0),
        True,
    ),
    "aligned covariances": (aligned, settings("centred", False, True, share=0.5), False),
    "softmax": (net, settings("decay", 0.03, DECAY), True),
    "adversarial": (net, settings("adversary", ("corpus", 0.3), ("speaker", 0.3)), True),
    "contrastive": (net, settings("contrast", ("corpus", 0.1), ("speaker", 0.1)), True),
    "CORAL penalty": (net, settings("coral", 0.03, 0.3), True),
    "group DRO": (net, settings("robust", ("corpus", 0.1), ("cell", 0.1)), True),
}

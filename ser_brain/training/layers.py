"""Which layers of a frozen encoder tell emotions apart: probes on folds of training speakers.

Axes: N clips, L hidden states, D frame size, E classes, F coordinates of an embedding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data.folding import cut, of_some_speakers
from ser_brain.evaluation.metrics import confusion_matrix, uar
from ser_brain.models.encoders.base import TransformerEncoder
from ser_brain.models.encoders.loading import OWN
from ser_brain.models.model import EmotionModel
from ser_brain.models.pooling import Standardizer
from ser_brain.training.discriminant import averaged_discriminant
from ser_brain.training.feature_cache import EmbeddingCache

logger = get_logger(__name__)
# The embeddings that every variant is a part of.
SETTINGS = {"layer": "all", "pooling": "mean_std"}
MOST_CLIPS = 10_000
MOST_FOLDS = 5
MOST_STEPS = 200  # of L-BFGS
CHUNK = 2048  # clips that are summed at once, in float64


@dataclass(frozen=True)
class Variant:
    """One way to use the hidden states, and its UAR on each inner fold.

    ``layer`` and ``pooling`` are values of the settings of these names.
    """

    layer: str | int
    pooling: str
    uars: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the folds."""
        return float(np.mean(self.uars))

    @property
    def error(self) -> float:
        """Standard error of the mean: a rough guide, as the folds share training clips."""
        return float(np.std(self.uars, ddof=1) / math.sqrt(len(self.uars)))


@dataclass(frozen=True)
class LayerStudy:
    """What :func:`compare_layers` found."""

    encoder: str
    count: int  # the highest state; 0 is the input of the first transformer layer
    clips: int
    speakers: int
    classes: int
    folds: int
    ridge: float
    variants: list[Variant]


def require_comparable(settings: Mapping) -> None:
    """Check settings, built or plain, before anything is prepared or loaded.

    Raises
    ------
    SERError
        If they are not those of a probe of emotions, or name an encoder of our own, which has
        no transformer layers.
    """
    if "ridges" not in settings or "emotion_head" not in settings["modules"]:
        raise SERError(
            "ser layers needs the settings of a probe that classifies, such as "
            "hparams/probe/classification.yaml."
        )
    if str(settings.get("encoder_source")) in OWN:
        raise _without_layers(settings["encoder_source"])


def _without_layers(encoder: str) -> SERError:
    return SERError(
        f"The encoder {encoder} has no transformer layers to compare; give another "
        "--encoder_source."
    )


def compare_layers(
    hparams: Mapping, rows: Mapping[str, dict], device: str, bar: bool
) -> LayerStudy:
    """Test a probe of each layer, of all and of a learned mix on inner folds of speakers.

    The classifier is the Gaussian one of the probes, with the middle of their ``ridges``.
    The weights of a mix are learned with logistic regression; it is then classified like the
    others. Of a mix only the mean over time is tried, which the means of the layers give
    exactly. Utterances are kept apart instead of speakers where a speaker is unknown. Of more
    than :data:`MOST_CLIPS` utterances, those of random speakers are used.

    Parameters
    ----------
    hparams : mapping
        Built settings of an experiment, with :data:`SETTINGS`.
    rows : mapping
        id -> row: the utterances, none of which is tested by the experiment.
    device : str
    bar : bool
        Show a progress bar while clips are embedded.

    Raises
    ------
    SERError
        If the settings are not those of a probe of emotions, the encoder has no transformer
        layers, or there are too few speakers.
    """
    encoder, emotions = hparams["encoder"], list(hparams["emotions"] or ())
    require_comparable(hparams)
    if not isinstance(encoder, TransformerEncoder):
        raise _without_layers(encoder.name)
    labelled = {i: row for i, row in rows.items() if row["emotion"] in emotions}
    ids = of_some_speakers(labelled, MOST_CLIPS)
    if len(ids) < len(labelled):
        logger.info(f"layers: {len(ids)} of {len(labelled)} clips, of random speakers")
    rows = {utterance_id: rows[utterance_id] for utterance_id in ids}
    known = all(row["speaker"] is not None for row in rows.values())
    groups = {row["speaker"] for row in rows.values()} if known else rows
    folds = min(MOST_FOLDS, len(groups))
    if folds < 2:
        raise SERError("One speaker is too few to compare layers; 2 are needed, better 5.")
    pieces = cut(rows, ids, "speaker" if known else None, folds, hparams["seed"])
    model = EmotionModel.from_modules(encoder, hparams["pool"]).to(device).eval()
    cache = EmbeddingCache(model, hparams["feature_cache_gb"], device)
    states = encoder.depth + 1
    # Means of all states, then their deviations; the spectrum, which a probe caches with them,
    # is no layer.
    frames_NP = torch.from_numpy(cache.matrix(rows, bar))[:, : model.pool.frames_dim]
    x_N2LD = frames_NP.unflatten(1, (2, states, -1))
    class_N = torch.tensor([emotions.index(row["emotion"]) for row in rows.values()])
    tested = [torch.tensor([i in piece for i in ids]) for piece in map(set, pieces)]
    ridge = float(np.exp(np.mean(np.log(hparams["ridges"]))))
    score = functools.partial(_uars, class_N, len(emotions), ridge, tested)
    embed: dict[tuple, Callable] = {}
    for pooling, stop in (("mean", 1), ("mean_std", 2)):
        for layer in range(states):
            # The topmost state is normed, as in `last`.
            name = layer if layer < states - 1 else "last"
            embed[name, pooling] = lambda _, x=x_N2LD[:, :stop, layer]: x.flatten(1)
        embed["all", pooling] = lambda _, x=x_N2LD[:, :stop]: x.flatten(1)
    decay = float(np.sqrt(np.prod(hparams["weight_decays"])))
    mix = (x_N2LD[:, 0], class_N, len(emotions), decay)
    embed["mix", "mean"] = functools.partial(_mixed, *mix)
    variants = [Variant(*key, score(function)) for key, function in embed.items()]
    return LayerStudy(
        *(encoder.name, states - 1, len(rows), len(groups) if known else 0, len(emotions)),
        *(folds, ridge, variants),
    )


def _uars(
    class_N: Tensor,
    classes: int,
    ridge: float,
    tested: Sequence[Tensor],
    embed: Callable[[Tensor], Tensor],
) -> tuple[float, ...]:
    """UAR on each fold. ``embed`` gives embeddings (N, F), knowing who is trained on."""
    found = []
    for test_N in tested:
        x_NF, train_N = embed(~test_N), ~test_N
        standardizer = Standardizer(x_NF.shape[1])  # as a probe does
        parts = train_N.nonzero()[:, 0].split(CHUNK)
        standardizer.fit(x_NF[part] for part in parts)
        x_NF = standardizer(x_NF)
        chunk = (x_NF[train_N], class_N[train_N], torch.ones(int(train_N.sum())))
        speakers, scale_1F = [None] * len(chunk[0]), torch.ones(1, x_NF.shape[1])
        fitted = averaged_discriminant(
            lambda chunk=chunk: [chunk], classes, speakers, scale_1F, [ridge]
        )
        said_N = (x_NF[test_N].double() @ fitted.weight_ED.T + fitted.bias_E).argmax(1)
        counts_CC = confusion_matrix(class_N[test_N].numpy(), said_N.numpy(), classes)
        found.append(float(uar(counts_CC)))
    return tuple(found)


def _mixed(
    x_NLD: Tensor, class_N: Tensor, classes: int, decay: float, train_N: Tensor
) -> Tensor:
    """Mean of the layers (N, D), weighted by logistic regression of the training clips."""
    x_nLD, class_n = x_NLD[train_N].double(), class_N[train_N]
    # As a probe with `layer: mix`: scaled by the deviations of an equal mix.
    x_nLD = (x_nLD - x_nLD.mean(0)) / x_nLD.mean(1).std(0, correction=0).clamp_min(1e-6)
    count_E = class_n.bincount(minlength=classes).clamp_min(1)
    weight_E = len(class_n) / (classes * count_E.double())
    logits_L = torch.zeros(x_nLD.shape[1], dtype=torch.double, requires_grad=True)
    head_ED = torch.zeros(classes, x_nLD.shape[2], dtype=torch.double, requires_grad=True)
    bias_E = torch.zeros(classes, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [logits_L, head_ED, bias_E], max_iter=MOST_STEPS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        x_nD = torch.einsum("l,nld->nd", torch.softmax(logits_L, 0), x_nLD)
        loss = cross_entropy(x_nD @ head_ED.T + bias_E, class_n, weight_E)
        loss = loss + 0.5 * decay * head_ED.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    weights_L = torch.softmax(logits_L.detach(), 0)
    return torch.einsum("l,nld->nd", weights_L, x_NLD.double()).float()

"""Where fine-tuning may begin and end: with heads that fit the encoder as it is.

Random heads send large, arbitrary gradients into a pretrained encoder. Behind heads that fit
already, training changes it less, and it does better on speech unlike that of the training set:
linear probing, then fine-tuning (Kumar et al. 2022). The start is validated as epoch 0, and is
kept where training does not help. After the last epoch, the emotion head is fitted once more:
to the encoder as it has become, and to the validation clips as well.

Shapes: N clips, D embedding size, E emotions, V dimensions.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from sklearn.linear_model import Ridge
from speechbrain.dataio.dataset import DynamicItemDataset, FilteredSortedDynamicItemDataset
from speechbrain.utils.distributed import if_main_process
from torch import Tensor
from torch.nn.functional import cross_entropy

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.models.model import EmotionModel
from ser_brain.models.pooling import Standardizer
from ser_brain.training.discriminant import averaged_discriminant, class_factors, views_of
from ser_brain.training.feature_cache import EmbeddingCache

logger = get_logger(__name__)
CHUNK = 2048  # clips that are read at once
RIDGES = (0.001, 0.01)  # as in hparams/probe
DECAYS = np.geomspace(30.0, 0.1, 6)  # the same
MOST_RATED = 2048  # of more labelled clips, this many are drawn
MOST_REFITTED = 10_000  # clips of each set to which the emotion head is fitted once more
SOFTEST = float(np.log(1e-6))


def require_startable(model: EmotionModel) -> None:
    """Check that the heads of a model can be fitted before it is trained.

    Raises
    ------
    SERError
        If the pooling has weights of its own, or there is no standardizer.
    """
    if model.pool.kind == "attentive":
        raise SERError(
            "heads_start: probe fits the heads before anything is trained, and attentive "
            "pooling must learn which frames count. Give --heads_start=random --lr_heads=0.001."
        )
    if model.standardizer is None:
        raise SERError(
            "heads_start: probe needs a standardizer among the modules, as hparams/finetune "
            "has it. Add it, or give --heads_start=random --lr_heads=0.001."
        )


def start_heads(
    model: EmotionModel,
    train_set: DynamicItemDataset,
    valid_set: DynamicItemDataset,
    hparams: Mapping,
    device: str,
) -> None:
    """Fit the standardizer and the heads of a model that is not trained yet.

    The emotion head becomes the average of Gaussian classifiers that the probes have
    (:func:`ser_brain.training.discriminant.averaged_discriminant`). Each dimension is ridge
    regression on its ratings; the validation set chooses among six weight decays.

    Parameters
    ----------
    model : EmotionModel
    train_set, valid_set : DynamicItemDataset
        Of :func:`ser_brain.training.loaders.dataio_prep`.
    hparams : mapping
        ``emotions``, ``dimensions``, ``label_smoothing`` and ``feature_cache_gb``, which limits
        the cache of the embeddings.
    device : str
        Where the model is.

    Raises
    ------
    SERError
        If a set is a loader.
    """
    if not all(isinstance(data, DynamicItemDataset) for data in (train_set, valid_set)):
        raise SERError(
            "heads_start: probe needs the data sets of dataio_prep(), not loaders of your own; "
            "give fit() these sets, or give --heads_start=random --lr_heads=0.001."
        )
    was_training = model.training
    model.eval()
    cache = EmbeddingCache(model, hparams["feature_cache_gb"], device)
    train, valid = (_Embedded(model, cache, data, device) for data in (train_set, valid_set))
    model.standardizer.fit(train.embeddings())
    if model.emotion_head is not None:
        _start_emotions(model, train, hparams["emotions"], hparams["label_smoothing"])
    if model.va_head is not None:
        _start_dimensions(model, train, valid, hparams["dimensions"])
    model.train(was_training)


class _Embedded:
    """A data set's clips as a frozen encoder describes them, in chunks."""

    def __init__(
        self, model: EmotionModel, cache: EmbeddingCache, data: DynamicItemDataset, device: str
    ) -> None:
        rows = {i: data.data[i] for i in data.data_ids}
        self.model, self.rows, self.device = model, [*rows.values()], device
        self.statistics_NP = torch.from_numpy(cache.matrix(rows, bar=False))

    def embeddings(self, chosen_N: Tensor | None = None) -> Iterator[Tensor]:
        """Embeddings (B, D) of all clips, or of those at some places."""
        places_N = torch.arange(len(self.rows)) if chosen_N is None else chosen_N
        for places_B in places_N.split(CHUNK):
            yield self.model.embedding_of(self.statistics_NP[places_B].to(self.device))

    def scaled(self, chosen_N: Tensor | None = None) -> Iterator[Tensor]:
        """The same, standardised."""
        return map(self.model.standardizer, self.embeddings(chosen_N))


@torch.no_grad()
def _start_emotions(
    model: EmotionModel, train: _Embedded, emotions: Sequence[str], smoothing: float
) -> None:
    class_N, weight_N = _labels(train.rows, emotions)
    labels = [labels_N.to(train.device).split(CHUNK) for labels_N in (class_N, weight_N)]
    found = averaged_discriminant(
        lambda: zip(train.scaled(), *labels, strict=True),
        len(emotions),
        [row["speaker"] for row in train.rows],
        torch.stack([*views_of(model).values()]).to(train.device),
        RIDGES,
    )
    chosen_N = _drawn(((class_N >= 0) & (weight_N > 0)).tolist())
    # A class that class_weights gives 0 has a logit far below all others.
    counted_E = class_N[chosen_N].bincount(minlength=len(emotions)) > 0
    x_ND = torch.cat([*train.scaled(chosen_N)]).double()
    logits_NE = (x_ND @ found.weight_ED.T + found.bias_E).cpu()[:, counted_E]
    place_E = counted_E.cumsum(0) - 1
    factor = _soft_enough(logits_NE, place_E[class_N[chosen_N]], smoothing)
    bias_E = factor * found.bias_E
    if smoothing:  # which asks for a share of each class
        odds = smoothing / (len(emotions) - smoothing)
        lowest = float(torch.logsumexp(factor * logits_NE, 1).mean()) + np.log(odds)
        bias_E = bias_E.where(counted_E.to(bias_E.device), lowest)
    linear = model.emotion_head.linear
    linear.weight.copy_(factor * found.weight_ED)
    if linear.bias is not None:
        linear.bias.copy_(bias_E)
    _tell(f"heads: start as Gaussian classifiers of {len(train.rows)} embeddings")


def _labels(rows: Sequence[Mapping], emotions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Emotions (N,), -1 for none of them, and weights (N,)."""
    place = {emotion: n for n, emotion in enumerate(emotions)}
    class_N = torch.tensor([place.get(row["emotion"], -1) for row in rows])
    return class_N, torch.tensor([1.0 if r["weight"] is None else r["weight"] for r in rows])


def _soft_enough(logits_NE: Tensor, class_N: Tensor, smoothing: float) -> float:
    """The factor, at most 1, that makes logits no more certain than smoothing allows.

    Where classes are easy to tell apart, the classifiers are very certain, and training would
    only unlearn that.
    """
    if not smoothing:
        return 1.0

    def loss(log_factor: float) -> float:
        scaled_NE = np.exp(log_factor) * logits_NE
        return float(cross_entropy(scaled_NE, class_N, label_smoothing=smoothing))

    found = minimize_scalar(loss, bounds=(SOFTEST, 0.0), method="bounded")
    return float(np.exp(found.x))


@torch.no_grad()
def _start_dimensions(
    model: EmotionModel, train: _Embedded, valid: _Embedded, dimensions: Sequence[str]
) -> None:
    linear = model.va_head.linear
    for output, dimension in enumerate(dimensions):
        (x_ND, y_N), (valid_ND, valid_N) = (_rated(part, dimension) for part in (train, valid))
        if not len(x_ND):
            continue
        fits = [Ridge(alpha=decay * len(x_ND) / 2).fit(x_ND, y_N) for decay in DECAYS]
        errors = [np.square(f.predict(valid_ND) - valid_N).sum() for f in fits if len(valid_N)]
        best = fits[int(np.argmin(errors))] if errors else fits[0]
        linear.weight[output] = torch.from_numpy(best.coef_).to(linear.weight)
        if linear.bias is not None:
            linear.bias[output] = float(best.intercept_)
        _tell(f"heads: {dimension} starts as ridge regression on {len(x_ND)} ratings")


def _rated(part: _Embedded, dimension: str) -> tuple[np.ndarray, np.ndarray]:
    """Standardised embeddings (N, D) and ratings (N,) of the clips that have one."""
    chosen_N = _drawn([row[dimension] is not None for row in part.rows])
    ratings_N = np.array([part.rows[n][dimension] for n in chosen_N], float)
    if not len(chosen_N):
        return np.empty((0, 0)), ratings_N
    return torch.cat([*part.scaled(chosen_N)]).double().cpu().numpy(), ratings_N


def _tell(what: str) -> None:
    """Log once what every process does."""
    if if_main_process():
        logger.info(what)


def _drawn(labelled: Sequence[bool], most: int = MOST_RATED) -> Tensor:
    """Places of labelled clips, all or a random sample."""
    places_N = np.random.default_rng(0).permutation(np.flatnonzero(labelled))[:most]
    return torch.from_numpy(np.sort(places_N))


# -- after the last epoch


def some_of(dataset: DynamicItemDataset) -> DynamicItemDataset:
    """The clips with an emotion, or a random sample of :data:`MOST_REFITTED` of them."""
    ids = dataset.data_ids
    places_N = _drawn([dataset.data[i]["emotion"] is not None for i in ids], MOST_REFITTED)
    return FilteredSortedDynamicItemDataset(dataset, [ids[n] for n in places_N])


@torch.no_grad()
def refit_emotions(
    model: EmotionModel,
    outputs: Sequence[Mapping],
    rows: Mapping[str, Mapping],
    emotions: Sequence[str],
    balanced: bool,
) -> bool:
    """Fit the emotion head to an encoder that has been trained.

    It is again the average of Gaussian classifiers. The standardizer stays, since the head of
    the dimensions shares it.

    Parameters
    ----------
    model : EmotionModel
    outputs : sequence of mapping
        :attr:`ser_brain.training.brain.SERBrain.outputs` of training and validation clips.
    rows : mapping
        id -> row of a data set.
    emotions : sequence of str
        In the order of the head's outputs.
    balanced : bool
        Let every emotion count alike.

    Returns
    -------
    bool
        Whether inner folds have calibrated the probabilities; without, the head is no use.
    """
    found = [rows[output["id"]] for output in outputs]
    x_ND = torch.stack([torch.as_tensor(output["embedding"]) for output in outputs])
    own = Standardizer(model.pool.dim)
    own.fit([x_ND])
    class_N, weight_N = _labels(found, emotions)
    if balanced:
        weight_N *= class_factors(class_N, weight_N, len(emotions))[class_N]
    classifier = averaged_discriminant(
        lambda: [(own(x_ND), class_N, weight_N)],
        len(emotions),
        [row["speaker"] for row in found],
        torch.stack([*views_of(model).values()]).cpu(),
        RIDGES,
    )
    # The head gets what the model's standardizer gives, not its own.
    linear, given = model.emotion_head.linear, copy.deepcopy(model.standardizer).cpu()
    weight_ED = classifier.weight_ED / own.deviation
    linear.weight.copy_(weight_ED * given.deviation)
    if linear.bias is not None:
        linear.bias.copy_(classifier.bias_E + weight_ED @ (given.mean - own.mean).double())
    _tell(f"heads: the emotion head is fitted once more, to {len(found)} embeddings")
    return classifier.kept_together is not None

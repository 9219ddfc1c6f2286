"""Adapt the emotion head of a model to new clips: embeddings in, a linear head out.

Shapes: N clips, D embedding size, E emotions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.evaluation.runs import ADAPTED
from ser_brain.models.adaptation import Head
from ser_brain.models.heads import EmotionHead
from ser_brain.models.model import EmotionModel
from ser_brain.training.adapted import Adapter

if TYPE_CHECKING:
    from ser_brain.inference.inputs import Input
    from ser_brain.inference.recognizer import EmotionRecognizer

logger = get_logger(__name__)
GROWTH = 1.1  # adapted anew whenever so many times the clips have come
WITHOUT_ADAPTER = (
    "carries no adaptation.safetensors, so clips without labels cannot adapt it. Train it with "
    "--adaptation=speaker (the default of hparams/probe) and export it again, or give labelled "
    "clips."
)


def embed(recognizer: EmotionRecognizer, clips: Sequence[Input]) -> tuple[Tensor, list[int]]:
    """Embed clips, one after another.

    Returns
    -------
    embeddings_ND : Tensor
        Of the clips that could be read.
    read : list of int
        Their places among the clips. The others are named in a warning.

    Raises
    ------
    SERError
        If no clip can be read.
    """
    found, read, failed = [], [], []
    for place, clip in enumerate(clips):
        try:
            found.append(recognizer.embedding(clip))
            read.append(place)
        except SERError as error:
            failed.append(f"{clip.name}: {error}")
    if not found:
        raise SERError(f"No clip can be read: {failed[0] if failed else 'there is none'}")
    if failed:
        logger.warning(
            f"{len(failed)} of {len(clips)} clips cannot be read, the first: {failed[0]}"
        )
    return torch.tensor(found), read


def head_of(model: EmotionModel) -> Head:
    """Weight (E, D) and bias (E,) of a model's emotion head."""
    linear = model.emotion_head.linear
    return linear.weight.double(), linear.bias.double()


def unlabelled_head(
    adapter: Adapter,
    embeddings_ND: Tensor,
    speakers: Sequence[str | None],
    speaker: str | None = None,
) -> Head:
    """The head that clips without labels adapted.

    Parameters
    ----------
    adapter : Adapter
    embeddings_ND : Tensor
    speakers : sequence of str or None
        Of each clip; None where it is unknown.
    speaker : str, optional
        For this one of the speakers; by default for further speakers of the same kind.

    Raises
    ------
    SERError
        If the adapter is of another model.
    """
    size = len(adapter.linear.center_D)
    if embeddings_ND.shape[1] != size:
        raise SERError(
            f"The adapter is of embeddings of {size} numbers, and those of the model have "
            f"{embeddings_ND.shape[1]}. Export the model again."
        )
    return adapter.head(adapter.adapt(embeddings_ND, speakers), speaker)


def with_emotion_head(model: EmotionModel, emotions: Sequence[str], head: Head) -> EmotionModel:
    """The same model with another emotion head; everything else is shared."""
    made = EmotionHead(model.pool.dim, emotions)
    for name, values in zip(("weight", "bias"), head, strict=True):
        setattr(made.linear, name, nn.Parameter(values.float(), requires_grad=False))
    adapted = EmotionModel.from_modules(model.encoder, model.pool, None, made, model.va_head)
    return adapted.eval()


class RunningAdapter:
    """Scores clips in the order of time, each by the head that it and those before it give.

    What comes later never changes a score. The head is that of ``EmotionRecognizer.enrol`` or,
    where speakers are known and there are several, that of the speaker among them.
    """

    def __init__(self, adapter: Adapter):
        self._adapter = adapter
        self._embeddings: list[Tensor] = []
        self._speakers: list[str | None] = []
        self._adapted, self._due = None, 1.0

    @property
    def count(self) -> int:
        """How many clips there were so far."""
        return len(self._embeddings)

    def log_probabilities(self, embedding_D: np.ndarray, speaker: str | None) -> np.ndarray:
        """Calibrated scores (E,) of the next clip."""
        self._embeddings.append(torch.from_numpy(embedding_D))
        self._speakers.append(speaker)
        if self.count >= self._due:
            speakers = self._speakers if self._adapter.by_speaker else None
            embeddings_ND = torch.stack(self._embeddings)
            self._adapted = self._adapter.linear.adapt(
                embeddings_ND, [ADAPTED] * self.count, speakers
            )
            self._due = self.count * GROWTH
        weight_ED, bias_E = self._adapter.head(self._adapted, speaker)
        return (weight_ED @ self._embeddings[-1].double() + bias_E).log_softmax(0).numpy()

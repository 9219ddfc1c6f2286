"""Adapt the emotion head of a model to new clips: embeddings in, a linear head out.

Shapes: N clips, D embedding size, E emotions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.models.adaptation import Head
from ser_brain.models.heads import EmotionHead
from ser_brain.models.model import EmotionModel
from ser_brain.training.adapted import Adapter

if TYPE_CHECKING:
    from ser_brain.inference.inputs import Input
    from ser_brain.inference.recognizer import EmotionRecognizer

logger = get_logger(__name__)
GROWTH = 1.1  # adapted anew whenever the number of clips has grown by this factor
WITHOUT_ADAPTER = (
    "carries no adaptation.safetensors, so clips without labels cannot adapt it. Train it with "
    "--adaptation=speaker (the default of hparams/probe) and export it again, or give labelled "
    "clips."
)

OF_ONE_CORPUS = (
    "was trained on a single corpus, which does not show what changes from one corpus to "
    "another. So clips without labels change nothing, unless several speakers are told apart. "
    "Train it on several corpora, or give labelled clips (ser adapt --labelled)."
)


def embed_clips(
    recognizer: EmotionRecognizer, clips: Sequence[Input]
) -> tuple[Tensor, list[int]]:
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
    return linear.weight.double().cpu(), linear.bias.double().cpu()


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


def emotion_by(head: Head, embedding: Sequence[float], emotions: Sequence[str]) -> dict:
    """``emotion`` and ``probabilities`` of a clip by another head than the model's own."""
    weight_ED, bias_E = head
    scores_E = weight_ED @ torch.as_tensor(embedding, dtype=weight_ED.dtype) + bias_E
    probabilities = dict(zip(emotions, scores_E.softmax(0).tolist(), strict=True))
    return {
        "emotion": max(probabilities, key=probabilities.get),
        "probabilities": probabilities,
    }


class RunningAdapter:
    """Adapts to clips in the order of time: to those heard so far, to none to come.

    So what comes later never changes a score. The head is that of ``EmotionRecognizer.enrol``
    or, where speakers are known and there are several, that of the speaker among them.

    Parameters
    ----------
    adapter : Adapter
    most : int, optional
        Clips that it keeps, the latest; by default all.
    """

    def __init__(self, adapter: Adapter, most: int | None = None):
        self._adapter, self._most = adapter, most
        self._embeddings: deque[Tensor] = deque(maxlen=most)
        self._speakers: deque[str | None] = deque(maxlen=most)
        self._adapted, self._due = None, 1.0
        self.count = 0  # clips so far

    def hear(self, embedding_D: np.ndarray, speaker: str | None = None) -> None:
        """Take the next clip, which shares no sample with those before it."""
        self._embeddings.append(torch.from_numpy(embedding_D))
        self._speakers.append(speaker)
        self.count += 1
        if self.count >= self._due:
            embeddings_ND = torch.stack(list(self._embeddings))
            self._adapted = self._adapter.adapt(embeddings_ND, list(self._speakers))
            self._due = self.count + (GROWTH - 1) * len(embeddings_ND)

    def head(self, speaker: str | None = None) -> Head:
        """The head (calibrated) for what was heard; at least one clip was."""
        return self._adapter.head(self._adapted, speaker)

    def log_probabilities(self, embedding_D: np.ndarray, speaker: str | None) -> np.ndarray:
        """Calibrated scores (E,) of the next clip, which counts from now on."""
        self.hear(embedding_D, speaker)
        weight_ED, bias_E = self.head(speaker)
        return (weight_ED @ self._embeddings[-1].double() + bias_E).log_softmax(0).numpy()

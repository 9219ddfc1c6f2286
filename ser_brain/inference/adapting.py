"""Adapt the emotion head of a model to new clips: embeddings in, a linear head out.

Shapes: N clips, D embedding size, E emotions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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

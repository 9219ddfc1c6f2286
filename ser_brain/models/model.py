"""The model that is used: encoder, masked mean, heads.

Shapes: B clips, S samples, T frames, D embedding size, C emotions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from ser_brain.core.errors import SERError
from ser_brain.models.encoders.base import Encoder
from ser_brain.models.encoders.masking import masked_mean
from ser_brain.models.heads import EmotionHead, ValenceArousalHead


class EmotionModel(nn.Module):
    """Waveforms to emotions, valence and arousal; a clip's scores are its own alone.

    Parameters
    ----------
    encoder : Encoder
    emotions : sequence of str
        Classes, in the order of the outputs; none leaves the emotion head out.
    va_range : (float, float) or None
        Scale of valence and arousal; None leaves that head out.
    """

    def __init__(
        self,
        encoder: Encoder,
        emotions: Sequence[str] = (),
        va_range: Sequence[float] | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.emotion_head = EmotionHead(encoder.dim, emotions) if emotions else None
        self.va_head = None if va_range is None else ValenceArousalHead(encoder.dim, va_range)

    def forward(self, waveforms_BS: Tensor, lengths_B: Tensor) -> dict[str, Tensor]:
        """Score a padded batch.

        Parameters
        ----------
        waveforms_BS : torch.Tensor
            float32 at the encoder's rate; padding may be anything.
        lengths_B : torch.Tensor
            int64 samples of every clip.

        Returns
        -------
        dict
            ``embedding`` (B, D) and, of the heads that are there, ``log_probabilities``
            (B, C) and ``valence_arousal`` (B, 2).
        """
        frames_BTD, frame_lengths_B = self.encoder(waveforms_BS, lengths_B)
        embedding_BD = masked_mean(frames_BTD, frame_lengths_B)
        scores = {"embedding": embedding_BD}
        if self.emotion_head is not None:
            scores["log_probabilities"] = self.emotion_head(embedding_BD)
        if self.va_head is not None:
            scores["valence_arousal"] = self.va_head(embedding_BD)
        return scores


def score_exactly(
    model: EmotionModel, waveforms_BS: Tensor, lengths_B: Tensor
) -> dict[str, Tensor]:
    """Run a model without gradients and in full float32.

    A GPU's convolutions would round to 10 bits (TF32), each batch in its own way. The flag
    against it is one for all threads, of which only a CPU runs several.
    """
    exact = nullcontext()
    if waveforms_BS.is_cuda:
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with torch.inference_mode(), exact:
        return model(waveforms_BS, lengths_B)


def require_finite(scores: Mapping[str, Tensor], name: str) -> None:
    """Stop if a model answers with what is no number: finite weights can overflow too.

    Parameters
    ----------
    scores : mapping
        See :meth:`EmotionModel.forward`.
    name : str
        Of the model.

    Raises
    ------
    SERError
    """
    bad = [said for said, tensor in scores.items() if not tensor.isfinite().all()]
    if bad:
        raise SERError(
            f"The model {name} has no answer: its {' and '.join(bad)} are not all finite. "
            "Its weights are damaged or too large; train, export or download it again."
        )

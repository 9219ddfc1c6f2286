"""The model: encoder, mean over each clip's frames, heads.

Training, embedding, export and inference all run this one module.

Shapes: B clips, S samples, T frames, C front-end channels, D embedding size, E emotions.
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
    """Waveforms to emotions, valence and arousal. A clip's scores never depend on its batch.

    Parameters
    ----------
    encoder : Encoder
    emotions : sequence of str
        Classes, in the order of the outputs. Without any there is no emotion head.
    va_range : (float, float) or None
        Scale of valence and arousal. With None there is no head for them.
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

    @classmethod
    def from_modules(
        cls,
        encoder: Encoder,
        emotion_head: nn.Module | None = None,
        va_head: nn.Module | None = None,
    ) -> EmotionModel:
        """Join modules that exist already, such as those of a settings file.

        The parameters keep the names under which run folders of every version store them
        (``encoder.*``, ``emotion_head.linear.*``, ``va_head.linear.*``).
        """
        model = cls(encoder)
        model.emotion_head, model.va_head = emotion_head, va_head
        return model

    def forward(self, inputs: Tensor, lengths_B: Tensor) -> dict[str, Tensor]:
        """Score a padded batch.

        Parameters
        ----------
        inputs : Tensor
            float32 waveforms at the encoder's rate, (B, S), or cached features of its front
            end, (B, T, C). The padding may hold anything.
        lengths_B : Tensor
            int64 samples, or frames, of every clip.

        Returns
        -------
        dict
            ``embedding`` (B, D) and, for each head that exists, ``log_probabilities`` (B, E)
            and ``valence_arousal`` (B, 2).
        """
        frames_BTD, frame_lengths_B = self.encoder(inputs, lengths_B)
        # Not frames_BTD.mean(1): that would average the padding of the shorter clips.
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

    A GPU's convolutions would round to 10 bits (TF32), differently for every batch size. The
    flag that prevents it is global to all threads, so only a CPU may run several.
    """
    exact = nullcontext()
    if waveforms_BS.is_cuda:
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with torch.inference_mode(), exact:
        return model(waveforms_BS, lengths_B)


def require_finite(scores: Mapping[str, Tensor], name: str) -> None:
    """Check the scores of the model ``name``: finite weights can still overflow.

    Raises
    ------
    SERError
        If a score is NaN or infinite.
    """
    bad = [key for key, tensor in scores.items() if not tensor.isfinite().all()]
    if bad:
        raise SERError(
            f"The model {name} gives no usable scores: its {' and '.join(bad)} are not all "
            "finite. Its weights are damaged or too large; train, export or download it again."
        )

"""The model: encoder, pooling over each clip's frames, heads.

Training, embedding, export and inference all run this one module.

Shapes: B clips, S samples, T frames, C front-end channels, L layers, D embedding size,
E emotions, V dimensions, P numbers of a clip's statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from ser_brain.core.errors import SERError
from ser_brain.data.labels import VALENCE_AROUSAL
from ser_brain.models.encoders.base import Encoder
from ser_brain.models.encoders.masking import deviation, zero_padding
from ser_brain.models.heads import EmotionHead, ValenceArousalHead
from ser_brain.models.pooling import Pooling, Standardizer


class EmotionModel(nn.Module):
    """Waveforms to emotions and dimensions. A clip's scores never depend on its batch.

    Parameters
    ----------
    encoder : Encoder
    emotions : sequence of str
        Classes, in the order of the outputs. Without any there is no emotion head.
    va_range : (float, float) or None
        Scale of valence and arousal. With None there is no head for them.
    pooling : {"mean", "mean_std", "attentive"}
    spectrum : {"log_mel"}, optional
        See :class:`ser_brain.models.pooling.Pooling`.
    dimensions : sequence of str
        What ``va_head`` predicts, in the order of its outputs.
    """

    def __init__(
        self,
        encoder: Encoder,
        emotions: Sequence[str] = (),
        va_range: Sequence[float] | None = None,
        pooling: str = "mean",
        dimensions: Sequence[str] = VALENCE_AROUSAL,
        spectrum: str | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.pool = Pooling(encoder.dim, pooling, spectrum)
        self.standardizer: Standardizer | None = None
        dim = self.pool.dim
        self.emotion_head = EmotionHead(dim, emotions) if emotions else None
        self.va_head = None
        if va_range is not None:
            self.va_head = ValenceArousalHead(dim, va_range, dimensions=dimensions)

    @classmethod
    def from_modules(
        cls,
        encoder: Encoder,
        pool: Pooling | None = None,
        standardizer: Standardizer | None = None,
        emotion_head: nn.Module | None = None,
        va_head: nn.Module | None = None,
    ) -> EmotionModel:
        """Join modules that exist already, such as those of a settings file.

        The parameters keep the names under which run folders of every version store them
        (``encoder.*``, ``emotion_head.linear.*``, ``va_head.linear.*``).
        """
        model = cls(encoder)
        if pool is not None:  # settings of early versions have none: the mean
            model.pool = pool
        model.standardizer = standardizer
        model.emotion_head, model.va_head = emotion_head, va_head
        return model

    def forward(self, inputs: Tensor, lengths_B: Tensor | None) -> dict[str, Tensor]:
        """Score a padded batch.

        Parameters
        ----------
        inputs : Tensor
            float32 waveforms at the encoder's rate, (B, S), or cached features of its front
            end, (B, T, C); the padding may hold anything. Or :meth:`statistics`, (B, P).
        lengths_B : Tensor or None
            int64 samples, or frames, of every clip. None with statistics.

        Returns
        -------
        dict
            ``embedding`` (B, D) and, for each head that exists, ``log_probabilities`` (B, E)
            and ``valence_arousal`` (B, V).
        """
        if lengths_B is None:
            embedding_BD = self.embedding_of(inputs)
        else:
            embedding_BD = self._embedded(inputs, lengths_B)
        scores = {"embedding": embedding_BD}
        if self.standardizer is not None:
            embedding_BD = self.standardizer(embedding_BD)
        if self.emotion_head is not None:
            scores["log_probabilities"] = self.emotion_head(embedding_BD)
        if self.va_head is not None:
            scores["valence_arousal"] = self.va_head(embedding_BD)
        return scores

    def _embedded(self, inputs: Tensor, lengths_B: Tensor) -> Tensor:
        pooled_BD = self.pool(*self.encoder(inputs, lengths_B))
        return self.pool.beside(pooled_BD, inputs, lengths_B)

    def statistics(self, inputs: Tensor, lengths_B: Tensor) -> Tensor:
        """What a frozen encoder makes of clips, once and for all: (B, P).

        The embedding itself, except where the encoder mixes its layers with weights that are
        still learned. Then the means of all layers over time and, for standard deviations, the
        layers' covariances in each coordinate, from which those of any mix follow.
        """
        if self.encoder.layer != "mix":
            return self._embedded(inputs, lengths_B)
        states, frames_B = self.encoder.states(inputs, lengths_B)
        frames_BTLD = zero_padding(torch.stack(states, dim=2).flatten(2), frames_B)
        frames_BTLD = frames_BTLD.unflatten(-1, (len(states), -1))
        count_B111 = frames_B[:, None, None, None]
        mean_BLD = frames_BTLD.sum(dim=1) / count_B111[..., 0]
        if self.pool.kind == "mean":
            return self.pool.beside(mean_BLD.flatten(1), inputs, lengths_B)
        centred_BTLD = frames_BTLD - mean_BLD.unsqueeze(1)
        centred_BTLD = zero_padding(centred_BTLD.flatten(2), frames_B).view_as(frames_BTLD)
        covariance = torch.einsum("btld,btmd->blmd", centred_BTLD, centred_BTLD) / count_B111
        found_BP = torch.cat([mean_BLD.flatten(1), covariance.flatten(1)], dim=1)
        return self.pool.beside(found_BP, inputs, lengths_B)

    def embedding_of(self, statistics_BP: Tensor) -> Tensor:
        """Embedding (B, D) of :meth:`statistics`."""
        if self.encoder.layer != "mix":
            return statistics_BP
        weights_L = torch.softmax(self.encoder.layer_logits, dim=0)
        layers, size = len(weights_L), self.encoder.dim
        beside = self.pool.dim - self.pool.frames_dim
        sizes = (statistics_BP.shape[1] - beside, beside)
        statistics_BP, spectrum_BM = statistics_BP.split(sizes, dim=1)
        mean_BLD = statistics_BP[:, : layers * size].unflatten(1, (layers, size))
        parts = [torch.einsum("l,bld->bd", weights_L, mean_BLD)]
        if self.pool.kind != "mean":
            covariance = statistics_BP[:, layers * size :].unflatten(1, (layers, layers, size))
            variance_BD = torch.einsum("l,blmd,m->bd", weights_L, covariance, weights_L)
            parts.append(deviation(variance_BD.clamp_min(0)))
        return torch.cat([*parts, spectrum_BM], dim=1)


def score_exactly(
    model: EmotionModel, waveforms_BS: Tensor, lengths_B: Tensor
) -> dict[str, Tensor]:
    """Run a model without gradients and in full float32."""
    with torch.inference_mode(), exact_convolutions(waveforms_BS.device):
        return model(waveforms_BS, lengths_B)


def exact_convolutions(device: str | torch.device) -> AbstractContextManager:
    """Keep a GPU's convolutions from rounding to 10 bits (TF32).

    They round differently for every batch size. The flag is global to all threads, so only a
    CPU may run several.
    """
    if torch.device(device).type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


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

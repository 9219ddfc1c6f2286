"""From the frames of a clip to one embedding; no frame of its padding takes part.

Shapes: B clips, T frames, D frame size.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ser_brain.core.errors import SERError, bad_value
from ser_brain.models.encoders.masking import (
    at_least_float32,
    deviation,
    mask_from_lengths,
    masked_mean,
    zero_padding,
)
from ser_brain.models.spectrum import SPECTRA

POOLINGS = ("mean", "mean_std", "attentive")
ATTENTION = 128  # hidden units that weigh a frame


class Pooling(nn.Module):
    """Statistics over the true frames of a clip.

    SpeechBrain's attentive pooling normalises over the batch, padding included, and rounds
    lengths that are shares of the longest clip; a clip's score would depend on its neighbours.

    Parameters
    ----------
    frame_dim : int
        Size D of a frame.
    kind : {"mean", "mean_std", "attentive"}
        ``"mean"``, (B, D). ``"mean_std"``, mean and population standard deviation, (B, 2 D).
        ``"attentive"``, the same with a learned weight for each frame (Okabe et al. 2018).
    spectrum : {"log_mel"}, optional
        What :meth:`beside` adds to an embedding.

    Attributes
    ----------
    frames_dim, dim : int
        Size of the pooled frames, and of the embedding, which ends in the spectrum if any.
    """

    def __init__(self, frame_dim: int, kind: str = "mean", spectrum: str | None = None) -> None:
        super().__init__()
        if kind not in POOLINGS:
            raise bad_value("pooling", kind, POOLINGS)
        if spectrum not in (None, *SPECTRA):
            raise bad_value("spectrum", spectrum, ["null", *SPECTRA])
        self.kind = kind
        self.spectrum = None if spectrum is None else SPECTRA[spectrum]()
        self.frames_dim = self.dim = frame_dim if kind == "mean" else 2 * frame_dim
        if self.spectrum is not None:
            self.dim += self.spectrum.dim
        if kind == "attentive":
            self.attention = nn.Sequential(
                nn.Linear(frame_dim, ATTENTION), nn.Tanh(), nn.Linear(ATTENTION, 1)
            )

    def forward(self, frames_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        """Pool a padded batch; the padding may hold anything."""
        if self.kind == "mean":
            # Not frames_BTD.mean(1): that would average the padding of the shorter clips.
            return masked_mean(frames_BTD, lengths_B)
        frames_BTD = zero_padding(at_least_float32(frames_BTD), lengths_B)
        weights_BT1 = self._weights(frames_BTD, lengths_B)
        mean_BD = (weights_BT1 * frames_BTD).sum(dim=1)
        # Two passes, because the mean of squares minus the squared mean cancels in float32.
        squares_BTD = (frames_BTD - mean_BD.unsqueeze(1)).square()
        variance_BD = (weights_BT1 * squares_BTD).sum(dim=1)
        return torch.cat([mean_BD, deviation(variance_BD)], dim=-1)

    def beside(self, embedding_BD: Tensor, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """Put the statistics of the spectrum, if any, behind those of the frames."""
        if self.spectrum is None:
            return embedding_BD
        if waveforms_BS.dim() != 2:
            raise SERError(
                "A spectrum is computed from waveforms, and these are cached features of a "
                "front end; give --feature_cache_gb=0, or --spectrum=null."
            )
        return torch.cat([embedding_BD, self.spectrum(waveforms_BS, lengths_B)], dim=-1)

    def _weights(self, frames_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        """Weight (B, T, 1) of every frame; those of a clip sum to one."""
        valid_BT = mask_from_lengths(lengths_B, frames_BTD.shape[1])
        if self.kind == "mean_std":
            return (valid_BT / lengths_B.unsqueeze(1)).unsqueeze(-1)
        with torch.autocast(frames_BTD.device.type, enabled=False):
            scores_BT = self.attention(frames_BTD)[..., 0]
        return torch.softmax(scores_BT.masked_fill(~valid_BT, -torch.inf), dim=1).unsqueeze(-1)


def divisors(deviation_D: Tensor, mean_D: Tensor) -> Tensor:
    """What to divide coordinates by: their deviation, or 1 where they are constant."""
    # A coordinate that never changes has nothing to scale, whatever rounding made of it.
    constant_D = deviation_D <= 1e-6 * mean_D.abs().clamp_min(1e-6)
    return deviation_D.masked_fill(constant_D, 1.0)


class Standardizer(nn.Module):
    """Scales each coordinate of an embedding to zero mean and unit deviation in training.

    The statistics are those of the training utterances and part of the model. ``ser export``
    folds them into the heads.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))

    @torch.no_grad()
    def fit(self, chunks: Iterable[Tensor]) -> None:
        """Set mean and deviation to those of embeddings, which come in chunks (B, D)."""
        count, total_D, squares_D = 0, 0.0, 0.0
        # Two passes would read a large set twice; float64 is exact enough for one.
        for chunk_BD in chunks:
            chunk_BD = chunk_BD.double()
            count += len(chunk_BD)
            total_D = total_D + chunk_BD.sum(0)
            squares_D = squares_D + chunk_BD.square().sum(0)
        mean_D = total_D / count
        deviation_D = (squares_D / count - mean_D.square()).clamp_min(0).sqrt()
        self.mean.copy_(mean_D)
        self.deviation.copy_(divisors(deviation_D, mean_D))

    def forward(self, embedding_BD: Tensor) -> Tensor:
        """(B, D) to (B, D)."""
        return (embedding_BD - self.mean) / self.deviation

"""Masks, means and norms over the valid part of a padded batch.

Shapes: B clips, S samples, T frames, C channels, D embedding size. ``lengths_B`` counts the
valid steps of every clip. The padding after them may hold anything, even NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST_VARIANCE = 1e-8  # added to variances over time


def mask_from_lengths(lengths_B: Tensor, size: int) -> Tensor:
    """Boolean mask (B, size), True where a step belongs to its clip.

    Examples
    --------
    >>> mask_from_lengths(torch.tensor([1, 3]), 3).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    steps_T = torch.arange(size, device=lengths_B.device)
    return steps_T < lengths_B.unsqueeze(1)


def zero_padding(batch: Tensor, lengths_B: Tensor) -> Tensor:
    """Set every step after a clip's end to zero, in a batch (B, T) or (B, T, C).

    Examples
    --------
    >>> zero_padding(torch.ones(1, 3), torch.tensor([2])).tolist()
    [[1.0, 1.0, 0.0]]
    """
    padding = ~mask_from_lengths(lengths_B, batch.shape[1])
    # Filled, not multiplied by the mask: NaN * 0 is NaN.
    return batch.masked_fill(padding[(...,) + (None,) * (batch.dim() - 2)], 0)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Widen half precision, which is too coarse for sums and norms over time."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def spectrum_dtype(usual: torch.dtype) -> torch.dtype:
    """The type of a Fourier transform: ``usual``, but float64 in a graph exported to ONNX.

    ONNX Runtime's float32 transform, unlike torch's, loses quiet bands beside loud ones. After
    the logarithm this changes log-probabilities by 1e-4.
    """
    return torch.float64 if torch.compiler.is_exporting() else usual


def masked_mean(frames_BTD: Tensor, lengths_B: Tensor) -> Tensor:
    """Mean (B, D) over the valid frames of every clip, at least one each, in float32 or better.

    Examples
    --------
    >>> frames = torch.tensor([[[1.0], [3.0], [99.0]]])
    >>> masked_mean(frames, torch.tensor([2])).tolist()
    [[2.0]]
    """
    sums_BD = zero_padding(at_least_float32(frames_BTD), lengths_B).sum(dim=1)
    return sums_BD / lengths_B.unsqueeze(1)


def deviation(variance: Tensor) -> Tensor:
    """Root of a variance, which may be 0: the gradient there would otherwise be infinite."""
    if torch.compiler.is_exporting():  # ONNX's optimiser takes x + 1e-8 for x
        return SMALLEST_VARIANCE**0.5 * torch.sqrt(variance / SMALLEST_VARIANCE + 1)
    return torch.sqrt(variance + SMALLEST_VARIANCE)


def normalize_clips(waveforms_BS: Tensor, lengths_B: Tensor, eps: float = 1e-7) -> Tensor:
    """Give every clip zero mean and unit variance over its own samples.

    This is what Hugging Face's ``Wav2Vec2FeatureExtractor`` does to one clip (population
    variance, ``eps`` inside the root). The padding becomes zero.

    Examples
    --------
    >>> wave = torch.tensor([[1.0, 3.0, 50.0]])
    >>> normalize_clips(wave, torch.tensor([2])).round(decimals=3).tolist()
    [[-1.0, 1.0, 0.0]]
    """
    count_B1 = lengths_B.unsqueeze(1)
    mean_B1 = zero_padding(waveforms_BS, lengths_B).sum(dim=1, keepdim=True) / count_B1
    centred_BS = zero_padding(waveforms_BS - mean_B1, lengths_B)
    variance_B1 = centred_BS.square().sum(dim=1, keepdim=True) / count_B1
    return centred_BS / torch.sqrt(variance_B1 + eps)


class MaskedGroupNorm(torch.nn.GroupNorm):
    """``torch.nn.GroupNorm`` with statistics over valid frames only; the same parameters.

    The first layer of wav2vec2-base normalises every channel over time. In a padded batch the
    stock layer averages the padding in, and no attention mask after it can undo that.

    Examples
    --------
    >>> norm = MaskedGroupNorm(1, 1)
    >>> frames = torch.tensor([[[1.0, 3.0, 50.0]]])
    >>> norm(frames, torch.tensor([2])).round(decimals=2)[0, 0, :2].tolist()
    [-1.0, 1.0]
    """

    def forward(self, frames_BCT: Tensor, lengths_B: Tensor) -> Tensor:
        """Normalise (B, C, T) by each clip's valid frames, in float32 or better.

        Finite padded frames stay finite.
        """
        batch, channels, size = frames_BCT.shape
        # Where nothing is padded, the stock kernel needs one pass instead of ten. An exported
        # graph has a single path, the one for padding.
        if not torch.compiler.is_exporting() and bool((lengths_B == size).all()):
            return super().forward(at_least_float32(frames_BCT))
        grouped_BGNT = at_least_float32(frames_BCT).reshape(batch, self.num_groups, -1, size)
        valid_B11T = mask_from_lengths(lengths_B, size)[:, None, None]
        count_B111 = lengths_B.view(-1, 1, 1, 1) * (channels // self.num_groups)
        over = {"dim": (2, 3), "keepdim": True}
        mean = grouped_BGNT.masked_fill(~valid_B11T, 0).sum(**over) / count_B111
        centred = grouped_BGNT - mean
        # Two passes, because the mean of squares minus the squared mean cancels in float32.
        squares = centred.masked_fill(~valid_B11T, 0).square()
        normed = centred * torch.rsqrt(squares.sum(**over) / count_B111 + self.eps)
        normed_BCT = normed.reshape(batch, channels, size)
        if not self.affine:
            return normed_BCT
        return normed_BCT * self.weight[:, None] + self.bias[:, None]

"""Masks, means and norms that see the valid part of a padded batch and nothing else.

Shapes: B clips, S samples, T frames, C channels, D embedding size. ``lengths_B``
counts the valid steps of every clip; what lies behind them may be anything, even NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mask_from_lengths(lengths_B: Tensor, size: int) -> Tensor:
    """True where a step belongs to its clip.

    Parameters
    ----------
    lengths_B : torch.Tensor
        Valid steps of every clip, integers.
    size : int
        Steps of the padded batch.

    Returns
    -------
    torch.Tensor
        Boolean mask, (B, size).

    Examples
    --------
    >>> mask_from_lengths(torch.tensor([1, 3]), 3).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    steps_T = torch.arange(size, device=lengths_B.device)
    return steps_T < lengths_B.unsqueeze(1)


def zero_padding(batch: Tensor, lengths_B: Tensor) -> Tensor:
    """Set every step behind a clip's end to zero.

    Parameters
    ----------
    batch : torch.Tensor
        (B, T) or (B, T, C).
    lengths_B : torch.Tensor
        Valid steps of every clip.

    Returns
    -------
    torch.Tensor
        Same shape. The fill replaces: a product would keep a NaN of the padding.

    Examples
    --------
    >>> zero_padding(torch.ones(1, 3), torch.tensor([2])).tolist()
    [[1.0, 1.0, 0.0]]
    """
    padding = ~mask_from_lengths(lengths_B, batch.shape[1])
    return batch.masked_fill(padding[(...,) + (None,) * (batch.dim() - 2)], 0)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Widen half precision, which sums and norms over time cannot do with."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def spectrum_dtype(usual: torch.dtype) -> torch.dtype:
    """What a Fourier transform runs in: as usual, but in a graph for ONNX in float64.

    ONNX Runtime's float32 transform loses the quiet bands beside loud ones, of which a
    logarithm makes differences of 1e-4 in log-probability; torch's does not.
    """
    return torch.float64 if torch.compiler.is_exporting() else usual


def masked_mean(frames_BTD: Tensor, lengths_B: Tensor) -> Tensor:
    """Mean over the valid frames of every clip, in float32 or better.

    Parameters
    ----------
    frames_BTD : torch.Tensor
        Frames, (B, T, D).
    lengths_B : torch.Tensor
        Valid frames of every clip, each at least 1.

    Returns
    -------
    torch.Tensor
        Embedding, (B, D).

    Examples
    --------
    >>> frames = torch.tensor([[[1.0], [3.0], [99.0]]])
    >>> masked_mean(frames, torch.tensor([2])).tolist()
    [[2.0]]
    """
    sums_BD = zero_padding(at_least_float32(frames_BTD), lengths_B).sum(dim=1)
    return sums_BD / lengths_B.unsqueeze(1)


def normalize_clips(waveforms_BS: Tensor, lengths_B: Tensor, eps: float = 1e-7) -> Tensor:
    """Give every clip zero mean and unit variance over its own samples.

    This is what Hugging Face's ``Wav2Vec2FeatureExtractor`` does to one clip
    (population variance, ``eps`` inside the root); its padding comes out as zero.

    Parameters
    ----------
    waveforms_BS : torch.Tensor
        Waveforms, (B, S).
    lengths_B : torch.Tensor
        Valid samples of every clip.
    eps : float
        Added to the variance.

    Returns
    -------
    torch.Tensor
        (B, S).

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
    """``torch.nn.GroupNorm`` whose statistics are taken over valid frames only.

    The first layer of wav2vec2-base normalises every channel over time. Over a padded
    batch the stock layer averages the padding in, and no attention mask behind it can
    undo that. Parameters and their names are those of ``torch.nn.GroupNorm``.

    Examples
    --------
    >>> norm = MaskedGroupNorm(1, 1)
    >>> frames = torch.tensor([[[1.0, 3.0, 50.0]]])
    >>> norm(frames, torch.tensor([2])).round(decimals=2)[0, 0, :2].tolist()
    [-1.0, 1.0]
    """

    def forward(self, frames_BCT: Tensor, lengths_B: Tensor) -> Tensor:
        """Normalise (B, C, T) by each clip's valid frames, in float32 or better.

        Padded frames come out finite wherever they went in finite.
        """
        batch, channels, size = frames_BCT.shape
        # Where nothing is padded, the stock kernel does in one pass what follows in ten. A
        # graph that is exported has but one path, the one for padding.
        if not torch.compiler.is_exporting() and bool((lengths_B == size).all()):
            return super().forward(at_least_float32(frames_BCT))
        grouped_BGNT = at_least_float32(frames_BCT).reshape(batch, self.num_groups, -1, size)
        valid_B11T = mask_from_lengths(lengths_B, size)[:, None, None]
        count_B111 = lengths_B.view(-1, 1, 1, 1) * (channels // self.num_groups)
        over = {"dim": (2, 3), "keepdim": True}
        mean = grouped_BGNT.masked_fill(~valid_B11T, 0).sum(**over) / count_B111
        centred = grouped_BGNT - mean
        # Two passes: the mean of squares minus the squared mean cancels in float32.
        squares = centred.masked_fill(~valid_B11T, 0).square()
        normed = centred * torch.rsqrt(squares.sum(**over) / count_B111 + self.eps)
        normed_BCT = normed.reshape(batch, channels, size)
        if not self.affine:
            return normed_BCT
        return normed_BCT * self.weight[:, None] + self.bias[:, None]

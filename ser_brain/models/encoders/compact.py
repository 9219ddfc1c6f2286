"""A small encoder trained from scratch: SpeechBrain's log-mel, then an ECAPA-like stack.

Shapes: B clips, S samples, F mel frames (10 ms), M mel bands, T frames (20 ms),
C channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from speechbrain.lobes.models.ECAPA_TDNN import SEBlock
from speechbrain.processing.features import STFT, Filterbank, spectral_magnitude
from torch import Tensor, nn

from ser_brain.core.errors import bad_value
from ser_brain.models.encoders.base import Encoder
from ser_brain.models.encoders.masking import masked_mean, spectrum_dtype, zero_padding

# 32 ms windows hold two periods of the lowest voices. With 64 bands, none is empty.
WINDOW_MS, HOP_MS, WINDOW, HOP, MELS = 32, 10, 512, 160, 64
MIN_SAMPLES = WINDOW + HOP

# About the mean and the standard deviation of log-mel speech at usual levels. They are fixed
# so that loudness survives. The floor is the power of 16-bit rounding noise.
LOG_FLOOR, LOG_MEAN, LOG_STD = 1e-6, -3.0, 4.0


class LogMel(nn.Module):
    """Log-mel frames of every clip, twice: on a fixed scale, and minus the clip's mean.

    The first half keeps a clip's loudness, which indicates arousal. The second does not change
    with the microphone's gain. Two frames of 10 ms are stacked into one of 20 ms. Always runs
    in float32.
    """

    def __init__(self):
        super().__init__()
        rate_hz = Encoder.sample_rate_hz
        # Without centring, windows lie wholly inside a clip and none reaches its padding.
        self.stft = STFT(rate_hz, WINDOW_MS, HOP_MS, n_fft=WINDOW, center=False)
        self.mel = Filterbank(
            n_mels=MELS, n_fft=WINDOW, sample_rate=rate_hz, f_min=50, log_mel=False
        )

    def forward(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """(B, S) to (B, T, 4 M); ``lengths_B`` counts the valid frames of 20 ms."""
        with torch.autocast(waveforms_BS.device.type, enabled=False):
            waveforms_BS = waveforms_BS.to(spectrum_dtype(torch.float32))
            power = spectral_magnitude(self.stft(waveforms_BS), power=1).float()
            mels_BFM = torch.log(self.mel(power) + LOG_FLOOR)
            mels_BFM = (mels_BFM - LOG_MEAN) / LOG_STD
            # Of 10 ms frames, two to one of 20 ms; those of the padding must not count.
            mean_B1M = masked_mean(mels_BFM, 2 * lengths_B).unsqueeze(1)
            both_BFM = torch.cat([mels_BFM, mels_BFM - mean_B1M], dim=-1)
            # Pairs of frames, (B, T, 2M, 2); an odd last frame is dropped.
            return both_BFM.unfold(1, 2, 2).transpose(2, 3).flatten(2)


class Context(nn.Linear):
    """A convolution over three frames, as one matrix product.

    On a CPU this is several times faster than torch's convolution, including the backward pass.
    """

    def __init__(self, channels_in: int, channels: int, dilation: int):
        super().__init__(3 * channels_in, channels)
        self.dilation = dilation

    def forward(self, frames_BTC: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C); frames outside the batch count as zero."""
        size, reach = frames_BTC.shape[1], self.dilation
        padded = nn.functional.pad(frames_BTC, (0, 0, reach, reach))
        spliced = [padded[:, i * reach : i * reach + size] for i in range(3)]
        return super().forward(torch.cat(spliced, dim=-1))


class Block(nn.Module):
    """Norm, dilated convolution, squeeze-excitation over valid frames, residual.

    ECAPA's own block normalises over the batch and reflects at its end, which mixes padding in.
    Here every frame is normalised by itself, and padding is zero.
    """

    def __init__(self, channels: int, dilation: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.conv = Context(channels, channels, dilation)
        self.pointwise = nn.Linear(channels, channels)
        self.excite = SEBlock(channels, channels // 4, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames_BTC: Tensor, lengths_B: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        # The norm's bias makes padding nonzero, and the convolution reaches into it; so do the
        # biases of the two layers that follow, and the mean of the gate.
        hidden_BTC = zero_padding(self.norm(frames_BTC), lengths_B)
        hidden_BTC = self.pointwise(nn.functional.gelu(self.conv(hidden_BTC)))
        hidden_BTC = zero_padding(hidden_BTC, lengths_B)
        return frames_BTC + self.dropout(self._gate(hidden_BTC, lengths_B) * hidden_BTC)

    def _gate(self, hidden_BTC: Tensor, lengths_B: Tensor) -> Tensor:
        """SEBlock's gates (B, 1, C). Its own mask would fix the batch size of an export."""
        mean_BC1 = masked_mean(hidden_BTC, lengths_B).unsqueeze(-1)
        squeezed = self.excite.relu(self.excite.conv1(mean_BC1))
        return self.excite.sigmoid(self.excite.conv2(squeezed)).transpose(1, 2)


class CompactEncoder(Encoder):
    """A log-mel front end without parameters, followed by a stack of ``Block``.

    There is no convolutional front end to freeze, so ``freeze="cnn"`` and ``"none"`` both train
    everything. ``layer`` can only be ``"last"``.

    Parameters
    ----------
    channels : int
        Width of the stack, and size D of a frame.
    dilations : sequence of int
        One block each, in frames of 20 ms.

    Examples
    --------
    >>> encoder = CompactEncoder().eval()
    >>> frames, lengths = encoder(torch.zeros(2, 16000), torch.tensor([8000, 16000]))
    >>> frames.shape, lengths.tolist()
    (torch.Size([2, 48, 160]), [23, 48])
    """

    def __init__(
        self,
        channels: int = 160,
        dilations: tuple[int, ...] = (1, 2, 3, 4),
        dropout: float = 0.1,
        freeze: str = "cnn",
        layer: str = "last",
    ):
        super().__init__("compact", channels, MIN_SAMPLES, freeze=freeze)
        if layer != "last":
            raise bad_value("layer of the compact encoder", layer, ["last"])
        self.dilations = tuple(dilations)
        self.log_mel = LogMel()
        self.stem = Context(4 * MELS, channels, dilation=1)
        self.blocks = nn.ModuleList(
            Block(channels, dilation, dropout) for dilation in self.dilations
        )
        self.norm = nn.LayerNorm(channels)
        self.dropout = dropout
        self.apply_freeze()

    def settings(self) -> dict:
        return {
            "family": "compact",
            "channels": self.dim,
            "dilations": list(self.dilations),
            "dropout": self.dropout,
            "freeze": self.freeze,
        }

    def front_modules(self) -> Iterator[nn.Module]:
        yield self.log_mel

    def layers(self) -> Sequence[nn.Module]:
        return self.blocks

    def output_parameters(self) -> Iterable[nn.Parameter]:
        return self.norm.parameters()

    def frame_lengths(self, lengths_B: Tensor) -> Tensor:
        return ((lengths_B - WINDOW) // HOP + 1) // 2

    def _front(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        return self.log_mel(waveforms_BS, self.frame_lengths(lengths_B))

    def _encode(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> Tensor:
        hidden_BTC = self.stem(features_BTC)
        for block in self.blocks:
            hidden_BTC = block(hidden_BTC, frame_lengths_B)
        return self.norm(hidden_BTC)

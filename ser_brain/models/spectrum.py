"""Statistics of a clip's log-mel spectrum, which stand beside those of an encoder's frames.

Shapes: B clips, S samples, M mel bands, F mel frames (10 ms).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ser_brain.models.encoders.masking import deviation, mask_from_lengths, zero_padding
from ser_brain.models.encoders.whisper import HOP, WhisperLogMel

BANDS = 80


class LogMelStatistics(nn.Module):
    """How loud each of 80 mel bands is in a clip, how much it varies, and how fast: (B, 3 M).

    Mean and standard deviation over time, and the standard deviation of the differences between
    neighbouring frames. The spectrum is Whisper's, whichever encoder it stands beside.
    """

    name, dim = "log_mel", 3 * BANDS

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = WhisperLogMel(BANDS)

    def forward(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """Statistics of a padded batch; the padding may hold anything."""
        mels_BMF = self.log_mel(zero_padding(waveforms_BS, lengths_B), lengths_B)
        frames_B = lengths_B // HOP
        changes_BMF = mels_BMF[..., 1:] - mels_BMF[..., :-1]
        mean_BM, deviation_BM = _moments(mels_BMF, frames_B)
        return torch.cat([mean_BM, deviation_BM, _moments(changes_BMF, frames_B - 1)[1]], dim=1)


SPECTRA = {LogMelStatistics.name: LogMelStatistics}


def _moments(values_BMF: Tensor, frames_B: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population standard deviation (B, M) over the true frames of every clip."""
    padding_B1F = ~mask_from_lengths(frames_B, values_BMF.shape[-1]).unsqueeze(1)
    count_B1 = frames_B.clamp_min(1).unsqueeze(1)  # the shortest clips have no difference
    mean_BM = values_BMF.masked_fill(padding_B1F, 0).sum(-1) / count_B1
    centred_BMF = (values_BMF - mean_BM.unsqueeze(-1)).masked_fill(padding_B1F, 0)
    variance_BM = centred_BMF.square().sum(-1) / count_B1
    return mean_BM, deviation(variance_BM)

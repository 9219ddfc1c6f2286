"""Prosody and spectrum of every frame, without weights: a baseline, as openSMILE's sets are.

``pooling: mean_std`` makes functionals of the frames. The choice follows eGeMAPS (Eyben et al.
2016): loudness, pitch, voicing and cepstrum, and how fast they change.

Shapes: B clips, S samples, T frames (10 ms), K frequencies, L lags, D frame size.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from speechbrain.processing.features import DCT, STFT, Filterbank, spectral_magnitude
from torch import Tensor, nn

from ser_brain.core.errors import bad_value
from ser_brain.models.encoders.base import Encoder
from ser_brain.models.encoders.compact import LOG_FLOOR
from ser_brain.models.encoders.masking import spectrum_dtype

# 40 ms hold two periods of 50 Hz. The transform is twice as long, so that its power spectrum
# gives the autocorrelation, which would otherwise wrap around.
WINDOW_MS, HOP_MS, WINDOW, HOP, SIZE = 40, 10, 640, 160, 1280
MELS, CEPSTRA = 26, 13
LOWEST_HZ, HIGHEST_HZ = 60, 400  # pitch
SILENCE = 1e-10  # added to the energy of a frame, whose voicing is then 0
DIM = 2 * (CEPSTRA + 3)


class Functionals(Encoder):
    """Log-energy, voicing, pitch and 13 cepstra of every frame, and their changes.

    Voicing is the highest normalised autocorrelation at a lag of a voice's period; pitch is
    that lag in octaves from 100 Hz, times the voicing, so that unvoiced frames count little.
    There is nothing to train or to choose: ``freeze`` has no effect, and ``layer`` can only be
    ``"last"``.

    Examples
    --------
    >>> encoder = Functionals()
    >>> frames, lengths = encoder(torch.zeros(2, 16000), torch.tensor([8000, 16000]))
    >>> frames.shape, lengths.tolist()
    (torch.Size([2, 97, 32]), [47, 97])
    """

    def __init__(self, freeze: str = "all", layer: str = "last"):
        super().__init__("functionals", DIM, WINDOW, freeze=freeze)
        if layer != "last":
            raise bad_value("layer of the functionals", layer, ["last"])
        rate_hz = self.sample_rate_hz
        # Without centring, windows lie wholly inside a clip and none reaches its padding.
        self.stft = STFT(rate_hz, WINDOW_MS, HOP_MS, n_fft=SIZE, center=False)
        self.mel = Filterbank(
            n_mels=MELS, n_fft=SIZE, sample_rate=rate_hz, f_min=50, log_mel=False
        )
        self.dct = DCT(MELS, CEPSTRA)
        lags = range(rate_hz // HIGHEST_HZ, rate_hz // LOWEST_HZ + 1)
        lags_L = torch.tensor(lags)
        self.register_buffer("octaves_L", torch.log2(rate_hz / lags_L / 100))
        # The autocorrelation is the inverse transform of the power spectrum: a sum of cosines,
        # of which those between the first and the last stand for two frequencies each.
        k_K1 = torch.arange(SIZE // 2 + 1).unsqueeze(1)
        twice_K1 = torch.where((k_K1 == 0) | (k_K1 == SIZE // 2), 1.0, 2.0)
        cosines_KL = twice_K1 * torch.cos(2 * torch.pi * k_K1 * lags_L / SIZE)
        self.register_buffer("cosines_KL", cosines_KL)
        # It falls with the lag as that of the window does, by which the period wins over its
        # multiples; the voicing makes up for it.
        window = torch.hamming_window(WINDOW)
        of_window_L = torch.stack([(window[n:] * window[:-n]).sum() for n in lags])
        makeup_L = window.square().sum() / of_window_L
        self.register_buffer("makeup_L", makeup_L)
        self.register_buffer("twice_K", twice_K1[:, 0])
        self.apply_freeze()

    def settings(self) -> dict:
        return {"family": "functionals", "freeze": self.freeze}

    def front_modules(self) -> Iterator[nn.Module]:
        yield from (self.stft, self.mel, self.dct)

    def frame_lengths(self, lengths_B: Tensor) -> Tensor:
        return (lengths_B - WINDOW) // HOP + 1

    def _front(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        with torch.autocast(waveforms_BS.device.type, enabled=False):
            waveforms_BS = waveforms_BS.to(spectrum_dtype(torch.float32))
            # The window lies in the middle of a transform twice as long.
            waveforms_BS = nn.functional.pad(waveforms_BS, 2 * ((SIZE - WINDOW) // 2,))
            power_BTK = spectral_magnitude(self.stft(waveforms_BS), power=1).float()
            cepstra_BTD = self.dct(torch.log(self.mel(power_BTK) + LOG_FLOOR))
            energy_BT = (power_BTK * self.twice_K).sum(-1)
            correlation_BTL = power_BTK @ self.cosines_KL / (energy_BT + SILENCE).unsqueeze(-1)
            highest_BT, best_BT = correlation_BTL.max(-1)
            voicing_BT = (highest_BT * self.makeup_L[best_BT]).clamp(0, 1)
            pitch_BT = self.octaves_L[best_BT] * voicing_BT
            prosody = [torch.log(energy_BT + LOG_FLOOR), voicing_BT, pitch_BT]
            frames_BTD = torch.cat([torch.stack(prosody, -1), cepstra_BTD], dim=-1)
            # The first frame has none before it.
            changes_BTD = frames_BTD - torch.cat([frames_BTD[:, :1], frames_BTD[:, :-1]], 1)
            return torch.cat([frames_BTD, changes_BTD], dim=-1)

    def _encode(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> Tensor:
        return features_BTC

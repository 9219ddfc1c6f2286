"""An encoder as docs/adding_an_encoder.md asks for one, with a window that no file carries."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ser_brain.models.encoders.base import Encoder


class OwnEncoder(Encoder):
    """Energies of 20 ms, spread over some channels."""

    def __init__(self, name, config, freeze="cnn", layer="last", weights=None):
        super().__init__(name, config["width"], 320, freeze=freeze)
        self.config = config
        self.register_buffer("window", torch.hann_window(320), persistent=False)
        self.spread = nn.Linear(1, self.dim)
        self.apply_freeze()

    def settings(self) -> dict:
        return {
            "family": "own",
            "name": self.name,
            "config": self.config,
            "freeze": self.freeze,
        }

    def front_modules(self):
        yield from ()

    def frame_lengths(self, lengths_B: Tensor) -> Tensor:
        return lengths_B // 320

    def _front(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        frames_BTS = waveforms_BS.unfold(1, 320, 320)
        return (frames_BTS * self.window).square().mean(dim=-1, keepdim=True)

    def _encode(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> Tensor:
        return self.spread(features_BTC)

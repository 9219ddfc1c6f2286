"""What every encoder is: a front end that may be frozen and cached, and the rest.

Shapes: B clips, S samples, T frames, C front-end channels, D frame size.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ser_brain.encoders.masking import at_least_float32, zero_padding
from ser_brain.errors import SERError, bad_value

FREEZE = ("all", "cnn", "none")


class Encoder(nn.Module):
    """Waveforms to frames, one clip at a time as far as any number can tell.

    ``forward`` is ``encode(*front(waveforms, lengths))``. The front end of a frozen
    encoder gives the same features in every epoch, so they can be cached and only
    ``encode`` be called on them.

    Parameters
    ----------
    name : str
        Name for reports.
    dim : int
        Size D of a frame.
    min_samples : int
        Samples that give exactly one frame; a shorter clip is an error.
    max_samples : int or None
        Longest clip, or None where there is no limit.
    freeze : {"all", "cnn", "none"}
        ``"cnn"`` freezes ``front_modules()``, ``"all"`` freezes everything (but learned
        layer weights, which are no part of the pretrained model). What is frozen gets
        no gradient, stays in evaluation mode and runs without recording a graph.
    """

    sample_rate_hz = 16_000
    dropouts: tuple[
        str, ...
    ] = ()  # names in config.json that the setting of this name may change

    def __init__(
        self,
        name: str,
        dim: int,
        min_samples: int,
        max_samples: int | None = None,
        freeze: str = "cnn",
    ):
        super().__init__()
        if freeze not in FREEZE:
            raise bad_value("freeze", freeze, FREEZE)
        self.name = name
        self.dim = dim
        self.min_samples = min_samples
        self.max_samples = max_samples
        self.freeze = freeze

    def front(self, waveforms_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, T, C) before anything that ``freeze="cnn"`` trains, and lengths.

        Raises
        ------
        SERError
            A clip is shorter than ``min_samples`` or longer than ``max_samples``.
        """
        self._check(waveforms_BS, lengths_B)
        waveforms_BS = zero_padding(waveforms_BS, lengths_B)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_front):
            features_BTC = self._front(waveforms_BS, lengths_B)
        return features_BTC, self.frame_lengths(lengths_B)

    def encode(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> Tensor:
        """Frames (B, T, D) of what ``front`` gave, zero behind each clip's end."""
        # A cache may hold features as float16.
        features_BTC = at_least_float32(zero_padding(features_BTC, frame_lengths_B))
        frames_BTD = self._encode(features_BTC, frame_lengths_B)
        return at_least_float32(zero_padding(frames_BTD, frame_lengths_B))

    def forward(self, inputs: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch.

        Parameters
        ----------
        inputs : torch.Tensor
            float32 waveforms at ``sample_rate_hz``, (B, S), or what ``front`` made of them,
            (B, T, C); padding may be anything.
        lengths_B : torch.Tensor
            int64 samples, or frames, of every clip.

        Returns
        -------
        frames_BTD : torch.Tensor
            (B, T, D), zero in padded frames.
        frame_lengths_B : torch.Tensor
            int64 frames of every clip.
        """
        if inputs.dim() == 2:
            inputs, lengths_B = self.front(inputs, lengths_B)
        return self.encode(inputs, lengths_B), lengths_B

    def frame_lengths(self, lengths_B: Tensor) -> Tensor:
        """Frames that clips of so many samples give."""
        raise NotImplementedError

    def front_modules(self) -> Iterator[nn.Module]:
        """Modules that ``freeze="cnn"`` freezes."""
        raise NotImplementedError

    def _front(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        raise NotImplementedError

    def _encode(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> Tensor:
        raise NotImplementedError

    def settings(self) -> dict:
        """JSON-able description from which ``build_encoder`` makes the same module."""
        raise NotImplementedError

    @property
    def trains_front(self) -> bool:
        """Whether the front end is trained (a cache of its output needs False)."""
        return self.freeze == "none"

    def apply_freeze(self) -> None:
        """Take gradients from what is frozen; a subclass calls it once it is built."""
        frozen = {"all": [self], "cnn": self.front_modules(), "none": []}[self.freeze]
        for module in frozen:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Encoder:
        """Switch mode; frozen parts stay in evaluation mode."""
        super().train(mode and self.freeze != "all")
        if self.freeze == "cnn":
            for module in self.front_modules():
                module.eval()
        return self

    def _check(self, waveforms_BS: Tensor, lengths_B: Tensor) -> None:
        """Refuse lengths that no frame, or no position, exists for."""
        if torch.compiler.is_exporting():
            return  # a graph computes; it cannot refuse
        shortest, longest = (int(n) for n in torch.aminmax(lengths_B))
        if shortest < self.min_samples:
            raise SERError(
                f"A clip of {shortest} samples is too short for {self.name}; it needs "
                f"at least {self.min_samples} ({self._seconds(self.min_samples)}). "
                "Pad it with silence or leave it out of the manifest."
            )
        if self.max_samples is not None and longest > self.max_samples:
            raise SERError(
                f"A clip of {longest} samples ({self._seconds(longest)}) is too long "
                f"for {self.name}, which has positions for {self.max_samples} "
                f"({self._seconds(self.max_samples)}). Cut it into shorter clips."
            )
        if longest > waveforms_BS.shape[1]:
            raise SERError(
                f"A length of {longest} samples in a batch of {waveforms_BS.shape[1]}; "
                "lengths are int64 samples, not fractions of the longest clip."
            )

    def _seconds(self, samples: int) -> str:
        return f"{samples / self.sample_rate_hz:.3g} s"

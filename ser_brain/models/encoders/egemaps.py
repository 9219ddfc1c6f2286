"""eGeMAPS by openSMILE: 88 functionals of a clip, the acoustic baseline of papers.

Eyben et al. (2016), "The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for voice research
and affective computing", IEEE Transactions on Affective Computing 7(2). openSMILE is an
optional package, not under this project's licence: audEERING's research licence allows no
commercial use, of it or of what it computes. ``functionals`` is the free counterpart.

Shapes: B clips, S samples, D = 88; a clip is a single frame.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ser_brain.core.errors import bad_value
from ser_brain.core.log import get_logger
from ser_brain.core.tables import require_package
from ser_brain.models.encoders.base import Encoder

logger = get_logger(__name__)
DIM = 88
SHORTEST = 1600  # samples; of a clip of 25 ms, openSMILE computes nothing


class EGeMAPS(Encoder):
    """The set eGeMAPSv02 of openSMILE. There is nothing to train or to choose."""

    libraries = ("opensmile",)
    why_no_onnx = "openSMILE computes what egemaps gives, and no ONNX graph can run it"

    def __init__(self, freeze: str = "all", layer: str = "last"):
        super().__init__("egemaps", DIM, SHORTEST, freeze=freeze)
        if layer != "last":
            raise bad_value("layer of egemaps", layer, ["last"])
        require_package("opensmile", "egemaps", "encoder_source: egemaps")

    def settings(self) -> dict:
        return {"family": "egemaps", "freeze": self.freeze}

    def front_modules(self) -> Iterator[nn.Module]:
        yield from ()

    def frame_lengths(self, lengths_B: Tensor) -> Tensor:
        return torch.ones_like(lengths_B)

    def _front(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        clips = zip(waveforms_BS.cpu().numpy(), lengths_B.tolist(), strict=True)
        rows = [_smile().process_signal(clip_S[:n], self.sample_rate_hz) for clip_S, n in clips]
        found_BTD = torch.from_numpy(np.stack([row.to_numpy(np.float32) for row in rows]))
        return found_BTD.to(waveforms_BS.device)

    def _encode(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> Tensor:
        return features_BTC


@functools.cache
def _smile():
    import opensmile

    logger.warning(
        "openSMILE is under audEERING's research licence: no commercial use. "
        "encoder_source: functionals has no such condition."
    )
    named = opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals
    return opensmile.Smile(*named)

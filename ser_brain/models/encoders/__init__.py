"""Speech encoders: waveforms to frames, never influenced by padding or neighbours."""

from ser_brain.models.encoders.base import Encoder
from ser_brain.models.encoders.loading import build_encoder, load_encoder, require_encoder
from ser_brain.models.encoders.masking import mask_from_lengths, masked_mean

__all__ = [
    "Encoder",
    "build_encoder",
    "load_encoder",
    "mask_from_lengths",
    "masked_mean",
    "require_encoder",
]

"""Scoring in bfloat16, for devices with units for it: less exact than float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ser_brain.computing import PRECISIONS, has_bf16
from ser_brain.errors import bad_value
from ser_brain.log import get_logger

logger = get_logger(__name__)


def require_precision(precision: str, device: str) -> None:
    """Stop at an unknown precision; warn of one that gains nothing on a device.

    Raises
    ------
    SERError
        If it is neither fp32 nor bf16.
    """
    if precision not in PRECISIONS:
        raise bad_value("precision", precision, PRECISIONS)
    if precision == "bf16" and not has_bf16(device):
        logger.warning(
            "bf16 is emulated here, as this device has no units for it: slower than fp32, and "
            "less exact."
        )


def narrow_weights(encoder: nn.Module) -> None:
    """Keep the weights of products and convolutions in bfloat16, not to round them per clip.

    Norms, positions and what is computed anew from other weights stay in float32.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Linear | nn.Conv1d) and not is_parametrized(module):
            module.to(torch.bfloat16)


def in_precision(precision: str, device: str) -> AbstractContextManager:
    """What a model is run within: PyTorch's autocast to bfloat16, or nothing."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)

"""How a run computes: its device, its precision and why."""

from __future__ import annotations

import torch
from speechbrain.utils.distributed import if_main_process, infer_device
from speechbrain.utils.run_opts import RunOptions

from ser_brain.errors import SERError
from ser_brain.log import get_logger

logger = get_logger(__name__)


def set_up(run_options: RunOptions) -> None:
    """Make ready for training, and say in what precision.

    Raises
    ------
    SERError
        For a precision that the device does not have.
    """
    device = run_options.device or infer_device()
    said = describe_precision(run_options, device)
    if if_main_process():
        logger.info(said)


def describe_precision(run_options: RunOptions, device: str) -> str:
    """A line for the log.

    float32 runs unless ``--precision`` asks for another: whether a model learns as well in
    bfloat16 has not been shown for ours.

    Raises
    ------
    SERError
        For float16 on a CPU.
    """
    wanted = {run_options.precision, run_options.eval_precision}
    if "fp16" in wanted and torch.device(device).type == "cpu":
        raise SERError("--precision=fp16 needs a GPU; a CPU computes in fp32 or bf16.")
    chosen = f"training {run_options.precision}, evaluation {run_options.eval_precision}"
    if "precision" in run_options.overridden_args:
        slow = run_options.precision == "bf16" and not has_bf16(device)
        why = "slow here: emulated, without bf16 units" if slow else "as asked for"
    elif has_bf16(device):
        why = "the default; --precision=bf16 is faster on this device"
    else:
        why = "the default; this device has no bf16 units"
    return f"precision: {chosen} ({why})"


def has_bf16(device: str) -> bool:
    """Whether a device multiplies bfloat16 in hardware."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu.get_capabilities().get("avx512_bf16", False)

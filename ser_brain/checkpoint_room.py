"""Room on the disk for a run's checkpoints, looked at before hours are spent."""

from __future__ import annotations

import shutil
from pathlib import Path

from torch.nn import Module

from ser_brain.errors import SERError

AT_ONCE = 3  # the best, the latest, and the next until it has replaced that
BYTES = 4  # of a number in float32


def require_room(folder: str | Path, modules: Module) -> None:
    """Stop if the checkpoints of these modules will not fit.

    Parameters
    ----------
    folder : str or Path
        The run folder.
    modules : torch.nn.Module
        What a checkpoint holds: weights and, of trained ones, Adam's two moments.

    Raises
    ------
    SERError
        With what is free and what is needed.
    """
    sizes = [p.numel() * (3 if p.requires_grad else 1) for p in modules.parameters()]
    needed = AT_ONCE * BYTES * sum(sizes)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SERError(
            f"{folder} has {free / 1e9:.2f} GB free, the checkpoints need about "
            f"{needed / 1e9:.2f} GB. Free some, or choose another --output_folder."
        )

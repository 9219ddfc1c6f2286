"""Room on the disk for a run's checkpoints, looked at before hours are spent."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml
from speechbrain.utils.checkpoints import CKPT_PREFIX, METAFNAME
from torch.nn import Module

from ser_brain.checksums import changed_files
from ser_brain.errors import SERError

AT_ONCE = 3  # the best, the latest, and the next until it has replaced that
BYTES = 4  # of a number in float32


def require_room(folder: str | Path, modules: Module, epochs: int) -> None:
    """Stop if the checkpoints that are still to be written will not fit.

    Parameters
    ----------
    folder : str or Path
        The run folder.
    modules : torch.nn.Module
        What a checkpoint holds: weights and, of trained ones, Adam's two moments.
    epochs : int
        How many the run has in all. Those that are done, and the checkpoints they left, need
        no more room.

    Raises
    ------
    SERError
        With what is free and what is needed.
    """
    kept = _epochs_kept(Path(folder) / "save")
    to_come = min(AT_ONCE - len(kept), epochs - max(kept.values(), default=0))
    if to_come <= 0:
        return
    sizes = [p.numel() * (3 if p.requires_grad else 1) for p in modules.parameters()]
    needed = to_come * max(map(_bytes, kept), default=BYTES * sum(sizes))
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SERError(
            f"{folder} has {free / 1e9:.2f} GB free, the checkpoints need about "
            f"{needed / 1e9:.2f} GB. Free some, or choose another --output_folder."
        )


def _epochs_kept(save: Path) -> dict[Path, int]:
    """Checkpoints -> their epochs; not the damaged ones, which are set aside."""
    found = {}
    for path in save.glob(f"{CKPT_PREFIX}+*"):
        if (path / METAFNAME).is_file() and not changed_files(path, METAFNAME):
            try:
                meta = yaml.safe_load((path / METAFNAME).read_text(encoding="utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError):
                continue  # who loads it says what is wrong with it
            if isinstance(meta, dict) and isinstance(meta.get("epoch"), int):
                found[path] = meta["epoch"]
    return found


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())

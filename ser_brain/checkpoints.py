"""SpeechBrain's Checkpointer, with checkpoints that are either whole or not there.

The stock one writes a checkpoint's meta file first and its weights after it, in place: a run
killed in between leaves a folder that the next run takes for a checkpoint.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from speechbrain.utils.checkpoints import Checkpointer
from speechbrain.utils.distributed import ddp_barrier, if_main_process

PARTIAL = ".partial-"


class AtomicCheckpointer(Checkpointer):
    """Write each checkpoint to a hidden folder and rename it when it is complete."""

    def save_checkpoint(self, *args: object, **kwargs: object):
        """Save as the stock one does, then sync and move into place."""
        checkpoint = super().save_checkpoint(*args, **kwargs)
        ddp_barrier()
        if not if_main_process():
            return checkpoint
        final = checkpoint.path.with_name(checkpoint.path.name.removeprefix(PARTIAL))
        _sync(checkpoint.path)
        os.replace(checkpoint.path, final)
        return checkpoint._replace(
            path=final,
            paramfiles={name: final / p.name for name, p in checkpoint.paramfiles.items()},
        )

    def _new_checkpoint_dirpath(self) -> Path:
        final = super()._new_checkpoint_dirpath()
        partial = final.with_name(PARTIAL + final.name)
        shutil.rmtree(partial, ignore_errors=True)
        return partial

    @staticmethod
    def _delete_checkpoint(checkpoint, verbosity: int = logging.DEBUG) -> None:
        """Hide the checkpoint first, so that a half-deleted one is never found."""
        hidden = checkpoint.path.with_name(PARTIAL + checkpoint.path.name)
        os.replace(checkpoint.path, hidden)
        shutil.rmtree(hidden)


def remove_partial(folder: str | Path) -> None:
    """Remove what a killed run left of a checkpoint."""
    for partial in Path(folder).glob(f"{PARTIAL}*"):
        shutil.rmtree(partial)


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with open(path, "rb+") as file:
            os.fsync(file.fileno())

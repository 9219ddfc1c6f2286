"""SpeechBrain's Checkpointer, with checkpoints that are either whole or not there.

The stock one writes a checkpoint's meta file first and its weights after it, in place: a run
killed in between leaves a folder that the next run takes for a checkpoint. It deletes in place,
too, and by its own class's name, so that a subclass cannot mend that alone.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from speechbrain.utils.checkpoints import Checkpoint, Checkpointer, ckpt_recency
from speechbrain.utils.distributed import ddp_barrier, if_main_process

from ser_brain.errors import SERError
from ser_brain.log import get_logger

logger = get_logger(__name__)

PARTIAL = ".partial-"
NEARLY_NOTHING = 1 << 20  # bytes free, less than any checkpoint takes


class AtomicCheckpointer(Checkpointer):
    """Write each checkpoint to a hidden folder and rename it when it is complete."""

    def save_checkpoint(self, *args: object, **kwargs: object) -> Checkpoint | None:
        """Save as the stock one does, then sync and move into place."""
        if if_main_process():
            remove_partial(self.checkpoints_dir)
        try:
            checkpoint = super().save_checkpoint(*args, **kwargs)
        except (OSError, RuntimeError) as error:
            self._require_space(error)
            raise
        ddp_barrier()  # until every rank has written its share
        if if_main_process():
            checkpoint = self._move_into_place(checkpoint)
        ddp_barrier()  # until every rank finds it
        return checkpoint

    def delete_checkpoints(
        self,
        *,
        num_to_keep: int = 1,
        min_keys: Sequence[str] | None = None,
        max_keys: Sequence[str] | None = None,
        importance_keys: Sequence[Callable] = (ckpt_recency,),
        ckpt_predicate: Callable | None = None,
        verbosity: int = logging.INFO,
    ) -> None:
        """Delete what is not among the first ``num_to_keep`` by any of the keys, as the stock.

        Only checkpoints that have one of the keys, and fulfil the predicate, are considered.
        """
        ddp_barrier()
        if if_main_process():
            orders = [{"min_key": key} for key in min_keys or ()]
            orders += [{"max_key": key} for key in max_keys or ()]
            orders += [{"importance_key": key} for key in importance_keys]
            considered, kept = {}, set()
            for order in orders:
                found = self.find_checkpoints(**order, ckpt_predicate=ckpt_predicate)
                considered.update((checkpoint.path, checkpoint) for checkpoint in found)
                kept.update(checkpoint.path for checkpoint in found[:num_to_keep])
            for path in considered.keys() - kept:
                _delete(considered[path])
                logger.log(verbosity, f"Deleted checkpoint {path}")
        ddp_barrier()

    def _require_space(self, error: Exception) -> None:
        """Say so if a checkpoint could not be written because the disk is full.

        PyTorch says that a write failed, but not why.
        """
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or shutil.disk_usage(self.checkpoints_dir).free < NEARLY_NOTHING:
            remove_partial(self.checkpoints_dir)
            raise SERError(
                f"No space left on the disk for a checkpoint in {self.checkpoints_dir}. Free "
                "some; the same command goes on after the last finished epoch."
            ) from error

    @staticmethod
    def _move_into_place(checkpoint: Checkpoint) -> Checkpoint:
        final = checkpoint.path.with_name(checkpoint.path.name.removeprefix(PARTIAL))
        _sync(checkpoint.path)
        os.replace(checkpoint.path, final)
        return checkpoint._replace(
            path=final,
            paramfiles={name: final / p.name for name, p in checkpoint.paramfiles.items()},
        )

    def _new_checkpoint_dirpath(self) -> Path:
        return _partial(super()._new_checkpoint_dirpath())

    def _custom_checkpoint_dirpath(self, name: str) -> Path:
        return _partial(super()._custom_checkpoint_dirpath(name))


def remove_partial(folder: str | Path) -> None:
    """Remove what a killed run left of a checkpoint."""
    for partial in Path(folder).glob(f"{PARTIAL}*"):
        shutil.rmtree(partial)


def _partial(path: Path) -> Path:
    return path.with_name(PARTIAL + path.name)


def _delete(checkpoint: Checkpoint) -> None:
    """Hide the checkpoint first, so that a half-deleted one is never found."""
    hidden = _partial(checkpoint.path)
    os.replace(checkpoint.path, hidden)
    shutil.rmtree(hidden)


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with open(path, "rb+") as file:
            os.fsync(file.fileno())

"""SpeechBrain's Checkpointer, whose checkpoints are written whole or not at all, and checked.

The stock one writes a checkpoint in place, its meta file before its weights: a run killed in
between leaves a folder that the next run takes for a checkpoint. It also deletes in place. Ours
writes and deletes under a hidden name, and compares what it loads with checksums.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
from speechbrain.utils.checkpoints import (
    CKPT_PREFIX,
    METAFNAME,
    PARAMFILE_EXT,
    Checkpoint,
    Checkpointer,
    ckpt_recency,
)
from speechbrain.utils.distributed import ddp_barrier, if_main_process
from torch.nn import Module

from ser_brain.core.errors import SERError
from ser_brain.core.files import (
    LARGEST_SETTINGS,
    PARTIAL,
    SUMS,
    changed_files,
    open_regular,
    read_text,
    remove_partial,
    sync_folder,
    write_checksums,
)
from ser_brain.core.log import get_logger

logger = get_logger(__name__)
DAMAGED = ".damaged-"
WRITTEN = ("unixtime", "end-of-epoch")  # numbers in the meta file of every checkpoint
SHOWN = 200  # characters of a library's error message
FULL_DISK = 1 << 20  # bytes free, fewer than any checkpoint needs
KEPT_AT_ONCE = 3  # the best, the latest, and the next one before it, or the refitted one
# In the meta file of a checkpoint that is tested, but that no training continues from: its
# heads were fitted once more after the last epoch.
REFIT = "refit"


def is_of_epoch(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint was written at the end of an epoch."""
    return REFIT not in checkpoint.meta


class AtomicCheckpointer(Checkpointer):
    """Write each checkpoint to a hidden folder and rename it when it is complete.

    Each has ``SHA256SUMS``; those of earlier versions lack it and are loaded unchecked.
    """

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
        ddp_barrier()  # until every rank can find it
        return checkpoint

    def recover_if_possible(self, *args: object, **kwargs: object) -> Checkpoint | None:
        """Recover as the stock one does, but never a damaged checkpoint.

        Without arguments, it takes the one of :meth:`find_latest`. Asked for the best, it does
        not take another one instead.

        Raises
        ------
        SERError
            If the best checkpoint is damaged, whether or not it was asked for.
        """
        if not (args or kwargs):
            self.find_latest()
            kwargs = {"ckpt_predicate": is_of_epoch}
        return super().recover_if_possible(*args, **kwargs)

    def find_latest(self) -> Checkpoint | None:
        """Set damaged checkpoints at the end aside, and find the latest sound one of an epoch.

        Training the lost epochs again gives the same result.
        """
        if if_main_process():
            self._set_damaged_aside()
        ddp_barrier()
        return self.find_checkpoint(ckpt_predicate=is_of_epoch)

    def load_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Load as the stock one does, after a check of the checksums."""
        _require_sound(checkpoint.path)
        try:
            super().load_checkpoint(checkpoint)
        except SERError:
            raise
        except Exception as error:  # a file without tensors gives any of a dozen kinds
            raise _unreadable(checkpoint.path, error) from error

    def list_checkpoints(self) -> list[Checkpoint]:
        """List as the stock one does, after a check of the meta files, which tell the best."""
        for path in self._list_checkpoint_dirs():
            _require_sound(path, METAFNAME)
        return super().list_checkpoints()

    def find_checkpoints(self, *args: object, **kwargs: object) -> list[Checkpoint]:
        """Find as the stock one does, among checkpoints with numbers to choose by."""
        keys = {kwargs.get("min_key"), kwargs.get("max_key")} - {None}
        for checkpoint in self.list_checkpoints():
            _require_numbers(checkpoint.path, checkpoint.meta, [*keys & checkpoint.meta.keys()])
        return super().find_checkpoints(*args, **kwargs)

    def _list_checkpoint_dirs(self) -> list[Path]:
        """List as the stock one does, and folders that lack only their meta file."""
        lost = [sums.parent for sums in self.checkpoints_dir.glob(f"{CKPT_PREFIX}*/{SUMS}")]
        return list({*super()._list_checkpoint_dirs(), *lost})

    @staticmethod
    def _construct_checkpoint_objects(checkpoint_dirs: Sequence[Path]) -> list[Checkpoint]:
        """Read the meta files, but only regular files of a sane size and with numbers."""
        return [_described(path) for path in checkpoint_dirs]

    def _set_damaged_aside(self) -> None:
        latest_first = sorted(self._list_checkpoint_dirs(), key=self._time_of, reverse=True)
        while latest_first and (changed := changed_files(latest_first[0])):
            path = latest_first.pop(0)
            aside = path.with_name(DAMAGED + path.name)
            os.replace(path, aside)
            logger.warning(
                f"checkpoint {path} is damaged ({', '.join(changed)}) and set aside as "
                f"{aside.name}; continuing from the one before it, or from the start"
            )
        for path in latest_first[1:]:
            _require_sound(path)

    def _time_of(self, path: Path) -> float:
        """When a checkpoint was written, by its meta file or else by the disk."""
        if changed_files(path, METAFNAME):
            return (path / SUMS).stat().st_mtime
        return ckpt_recency(*self._construct_checkpoint_objects([path]))

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
        """Delete as the stock one does, but atomically.

        Of the checkpoints that have one of the keys and fulfil the predicate, those are kept
        that are among the first ``num_to_keep`` by any key.
        """
        ddp_barrier()
        if if_main_process():
            orders = [{"min_key": key} for key in min_keys or ()]
            orders += [{"max_key": key} for key in max_keys or ()]
            orders += [{"importance_key": key} for key in importance_keys]
            considered, kept = set(), set()
            for order in orders:
                found = self.find_checkpoints(**order, ckpt_predicate=ckpt_predicate)
                considered.update(checkpoint.path for checkpoint in found)
                kept.update(checkpoint.path for checkpoint in found[:num_to_keep])
            for path in considered - kept:
                # Hidden first, so that a half-deleted checkpoint is never found.
                hidden = path.with_name(PARTIAL + path.name)
                os.replace(path, hidden)
                shutil.rmtree(hidden)
                logger.log(verbosity, f"Deleted checkpoint {path}")
        ddp_barrier()

    def _require_space(self, error: Exception) -> None:
        """Turn a failed write on a full disk into an error that says so; PyTorch's does not."""
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or shutil.disk_usage(self.checkpoints_dir).free < FULL_DISK:
            remove_partial(self.checkpoints_dir)
            raise SERError(
                f"No space left on the disk for a checkpoint in {self.checkpoints_dir}. Free "
                "some space; the same command continues after the last finished epoch."
            ) from error

    @staticmethod
    def _move_into_place(checkpoint: Checkpoint) -> Checkpoint:
        final = checkpoint.path.with_name(checkpoint.path.name.removeprefix(PARTIAL))
        write_checksums(checkpoint.path)
        # On the disk before it is renamed: a rename may survive a power cut that data does not.
        for path in checkpoint.path.iterdir():
            with open(path, "rb+") as file:
                os.fsync(file.fileno())
        sync_folder(checkpoint.path)
        os.replace(checkpoint.path, final)
        sync_folder(final.parent)
        return checkpoint._replace(
            path=final,
            paramfiles={name: final / p.name for name, p in checkpoint.paramfiles.items()},
        )

    def _new_checkpoint_dirpath(self) -> Path:
        path = super()._new_checkpoint_dirpath()
        return path.with_name(PARTIAL + path.name)

    def _custom_checkpoint_dirpath(self, name: str) -> Path:
        path = super()._custom_checkpoint_dirpath(name)
        return path.with_name(PARTIAL + path.name)


def require_room(
    folder: str | Path, modules: Module, epochs: int, averaged: bool = False
) -> None:
    """Stop if the checkpoints that are still to be written will not fit on the disk.

    Parameters
    ----------
    folder : str or Path
        The run folder.
    modules : torch.nn.Module
        A checkpoint has their weights and, for trained ones, Adam's two moments.
    epochs : int
        Of the whole run. Finished epochs and their checkpoints need no more room.
    averaged : bool
        Whether they also have an average of the trained weights.

    Raises
    ------
    SERError
        With the bytes that are free and needed.
    """
    kept = _epochs_kept(Path(folder) / "save")
    to_come = min(KEPT_AT_ONCE - len(kept), epochs - max(kept.values(), default=0))
    if to_come <= 0:
        return
    copies = 4 if averaged else 3
    numbers = sum(p.numel() * (copies if p.requires_grad else 1) for p in modules.parameters())
    sizes = [sum(file.stat().st_size for file in path.iterdir()) for path in kept]
    needed = to_come * max(sizes, default=4 * numbers)  # float32
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SERError(
            f"{folder} has {free / 1e9:.2f} GB free, the checkpoints need about "
            f"{needed / 1e9:.2f} GB. Free some space, or choose another --output_folder."
        )


def _epochs_kept(save: Path) -> dict[Path, int]:
    """Checkpoints -> their epochs; without damaged ones, which will be set aside."""
    found = {}
    for path in save.glob(f"{CKPT_PREFIX}+*"):
        if (path / METAFNAME).is_file() and not changed_files(path, METAFNAME):
            try:
                meta = yaml.safe_load((path / METAFNAME).read_text(encoding="utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError):
                continue  # loading it will report the problem
            if isinstance(meta, dict) and isinstance(meta.get("epoch"), int):
                found[path] = meta["epoch"]
    return found


def _described(path: Path) -> Checkpoint:
    files = {file.stem: file for file in path.iterdir() if file.suffix == PARAMFILE_EXT}
    try:
        for file in files.values():
            open_regular(file, largest=None).close()
        meta = _parsed(read_text(path / METAFNAME, largest=LARGEST_SETTINGS))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise _unreadable(path, error) from error
    _require_numbers(path, meta, WRITTEN)
    return Checkpoint(path, dict(meta), files)


@functools.lru_cache(maxsize=16)
def _parsed(text: str) -> object:
    """The content of a meta file; each search for a checkpoint reads all of them again."""
    return yaml.safe_load(text)


def _require_numbers(path: Path, meta: object, keys: Sequence[str]) -> None:
    found = meta if isinstance(meta, dict) else {}
    for key in keys:
        if not isinstance(found.get(key), int | float):
            raise SERError(
                f"Bad {path / METAFNAME}: {key} is {found.get(key)!r}, expected a number. "
                "Restore a copy, or remove the checkpoint."
            )


def _require_sound(path: Path, *names: str) -> None:
    """Stop if a checkpoint, or some of its files, have changed since they were written."""
    changed = changed_files(path, *names)
    if changed:
        raise SERError(
            f"The checkpoint {path} is damaged: {', '.join(changed)} has changed since it was "
            "written. Restore a copy; or remove the folder, and train.py continues from the "
            "other checkpoints and chooses the best of them."
        )


def _unreadable(path: Path, error: Exception) -> SERError:
    reason = " ".join(str(error).split()).partition(". ")[0]
    shown = reason if len(reason) <= SHOWN else f"{reason[:SHOWN]}..."
    return SERError(
        f"The checkpoint {path} cannot be loaded ({type(error).__name__}: {shown}). It is "
        "damaged, or train.py did not write it; restore a copy, or remove the folder."
    )

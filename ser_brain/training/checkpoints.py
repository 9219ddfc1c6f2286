"""SpeechBrain's Checkpointer, with checkpoints that are either whole or not there, and checked.

The stock one writes a checkpoint's meta file first and its weights after it, in place: a run
killed in between leaves a folder that the next run takes for a checkpoint. It deletes in place,
too, and by its own class's name, so that a subclass cannot mend that alone. What it loads is
compared with the checksums that were written with it.
"""

from __future__ import annotations

import errno
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
SAID = ("unixtime", "end-of-epoch")  # by every checkpoint
SHOWN = 200  # characters of a library's reason
NEARLY_NOTHING = 1 << 20  # bytes free, less than any checkpoint takes


class AtomicCheckpointer(Checkpointer):
    """Write each checkpoint to a hidden folder and rename it when it is complete.

    It carries ``SHA256SUMS``; one without, of an earlier version, is loaded unchecked.
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
        ddp_barrier()  # until every rank finds it
        return checkpoint

    def recover_if_possible(self, *args: object, **kwargs: object) -> Checkpoint | None:
        """Recover as the stock one does, but from no damaged checkpoint.

        Asked for the latest, it takes that of :meth:`find_latest`; asked for the best, it does
        not take another instead.

        Raises
        ------
        SERError
            If the checkpoint that is asked for is damaged; or if an earlier one than the
            latest is, which was kept because it is the best.
        """
        if not (args or kwargs):
            self.find_latest()
        return super().recover_if_possible(*args, **kwargs)

    def find_latest(self) -> Checkpoint | None:
        """The one to go on from, after damaged ones that came later were set aside.

        What is trained anew from there is the same.
        """
        if if_main_process():
            self._set_damaged_aside()
        ddp_barrier()
        return self.find_checkpoint()

    def load_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Load as the stock one does, after a look at the checksums."""
        _require_sound(checkpoint.path)
        try:
            super().load_checkpoint(checkpoint)
        except SERError:
            raise
        except Exception as error:  # of a dozen kinds, by what a file holds in place of tensors
            raise _unreadable(checkpoint.path, error) from error

    def list_checkpoints(self) -> list[Checkpoint]:
        """List as the stock one does; which is the best is read from sound files."""
        for path in self._list_checkpoint_dirs():
            _require_sound(path, METAFNAME)
        return super().list_checkpoints()

    def find_checkpoints(self, *args: object, **kwargs: object) -> list[Checkpoint]:
        """Find as the stock one does, among checkpoints that have numbers to choose by."""
        keys = {kwargs.get("min_key"), kwargs.get("max_key")} - {None}
        for checkpoint in self.list_checkpoints():
            _require_numbers(checkpoint.path, checkpoint.meta, [*keys & checkpoint.meta.keys()])
        return super().find_checkpoints(*args, **kwargs)

    def _list_checkpoint_dirs(self) -> list[Path]:
        """List as the stock one does, and folders of which the meta file alone is gone."""
        lost = [sums.parent for sums in self.checkpoints_dir.glob(f"{CKPT_PREFIX}*/{SUMS}")]
        return list({*super()._list_checkpoint_dirs(), *lost})

    @staticmethod
    def _construct_checkpoint_objects(checkpoint_dirs: Sequence[Path]) -> list[Checkpoint]:
        """Read what the checkpoints say of themselves: numbers, from regular files."""
        return [_described(path) for path in checkpoint_dirs]

    def _set_damaged_aside(self) -> None:
        latest_first = sorted(self._list_checkpoint_dirs(), key=self._time_of, reverse=True)
        while latest_first and (changed := changed_files(latest_first[0])):
            path = latest_first.pop(0)
            aside = path.with_name(DAMAGED + path.name)
            os.replace(path, aside)
            logger.warning(
                f"checkpoint {path} is damaged ({', '.join(changed)}) and set aside as "
                f"{aside.name}; going on from the one before it, or from the start"
            )
        for path in latest_first[1:]:
            _require_sound(path)

    def _time_of(self, path: Path) -> float:
        """When a checkpoint was written, as it says, or else as the disk says."""
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
        write_checksums(checkpoint.path)
        _sync(checkpoint.path)
        os.replace(checkpoint.path, final)
        sync_folder(final.parent)
        return checkpoint._replace(
            path=final,
            paramfiles={name: final / p.name for name, p in checkpoint.paramfiles.items()},
        )

    def _new_checkpoint_dirpath(self) -> Path:
        return _partial(super()._new_checkpoint_dirpath())

    def _custom_checkpoint_dirpath(self, name: str) -> Path:
        return _partial(super()._custom_checkpoint_dirpath(name))


def _described(path: Path) -> Checkpoint:
    files = {file.stem: file for file in path.iterdir() if file.suffix == PARAMFILE_EXT}
    try:
        for file in files.values():
            open_regular(file, largest=None).close()
        meta = yaml.safe_load(read_text(path / METAFNAME, largest=LARGEST_SETTINGS))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise _unreadable(path, error) from error
    _require_numbers(path, meta, SAID)
    return Checkpoint(path, meta, files)


def _require_numbers(path: Path, meta: object, keys: Sequence[str]) -> None:
    """Stop if a checkpoint does not say of itself what it is chosen by."""
    said = meta if isinstance(meta, dict) else {}
    for key in keys:
        if not isinstance(said.get(key), int | float):
            raise SERError(
                f"Bad {path / METAFNAME}: {key} is {said.get(key)!r}, expected a number. Put a "
                "copy back, or remove the checkpoint."
            )


def _unreadable(path: Path, error: Exception) -> SERError:
    reason = " ".join(str(error).split()).partition(". ")[0]
    shown = reason if len(reason) <= SHOWN else f"{reason[:SHOWN]}..."
    return SERError(
        f"The checkpoint {path} cannot be loaded ({type(error).__name__}: {shown}). It is "
        "damaged, or not one that train.py wrote; put a copy back, or remove the folder."
    )


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
    sync_folder(folder)


def _require_sound(path: Path, *names: str) -> None:
    """Stop if a checkpoint, or some files of it, are not as they were written."""
    changed = changed_files(path, *names)
    if changed:
        raise SERError(
            f"The checkpoint {path} is damaged: {', '.join(changed)} is not as it was written. "
            "Put a copy back; or remove the folder, and train.py goes on from the others and "
            "chooses the best of what is left."
        )


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

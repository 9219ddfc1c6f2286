"""Locks: only one process at a time writes to a file or folder.

The operating system holds them, so they end with the process, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ser_brain.core.errors import SERError
from ser_brain.core.files import LARGEST_SETTINGS, made_for, read_text, why
from ser_brain.core.log import get_logger

logger = get_logger(__name__)
NAME = ".lock"  # in a folder that is written to step by step


def beside(path: str | Path) -> Path:
    """The lock file beside a file or folder that is written elsewhere and then renamed."""
    path = Path(path).resolve()
    return path.with_name(f".{path.name}{NAME}")


@contextlib.contextmanager
def held(path: str | Path, what: str | Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock while the block runs; stop if another process holds it.

    Parameters
    ----------
    path : str or Path
        The lock file, removed at the end. A file that a killed process left does not lock.
    what : str or Path
        What it protects, for the error.
    wait : bool
        Wait for the process that holds the lock, instead of stopping.
    """
    path = Path(path)
    lock = FileLock(path)
    with made_for(path.parent):
        try:
            _acquire(lock, path, what, wait)
        except OSError as error:
            lock.release()
            raise SERError(f"Cannot write {what}: {why(error)}.") from error
        try:
            yield
        finally:
            with contextlib.suppress(PermissionError):  # Windows removes it on release
                path.unlink(missing_ok=True)
            lock.release()


def _acquire(lock: FileLock, path: Path, what: str | Path, wait: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        # Somebody may have put a link there to have another file overwritten.
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:  # 2 for a hard link
            raise SERError(f"The lock {path} is a link or not a regular file; remove it.")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if not wait:
            raise SERError(
                f"{what} is in use by {_holder(path)}. Wait until it ends, stop it, or choose "
                "another folder."
            ) from None
        logger.info(f"waiting for {_holder(path)}, which is writing {what}")
        lock.acquire(poll_interval=0.2)
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": started}
    with contextlib.suppress(PermissionError):  # on Windows nobody can open a locked file
        with open(path, "w", encoding="utf-8", opener=_without_links) as file:
            json.dump(holder, file)


def _without_links(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0))


def _holder(path: Path) -> str:
    try:  # the file is empty for a moment after the lock was taken
        found = json.loads(read_text(path, largest=LARGEST_SETTINGS))
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"

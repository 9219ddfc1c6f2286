"""One process at a time: what one of them writes to, a second one leaves alone.

The locks are the operating system's: they end with the process, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ser_brain.core.errors import SERError
from ser_brain.core.files import LARGEST_SETTINGS, made_for, read_text, why
from ser_brain.core.log import get_logger

logger = get_logger(__name__)
NAME = ".lock"  # in a folder that is written to bit by bit


def beside(path: str | Path) -> Path:
    """The lock of a file or folder that gets its name when it is whole: a file beside it."""
    path = Path(path).resolve()
    return path.with_name(f".{path.name}{NAME}")


@contextlib.contextmanager
def held(path: str | Path, what: str | Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock for as long as the block runs.

    Parameters
    ----------
    path : str or Path
        The lock file, which is removed at the end. One that a killed process left is no lock.
    what : str or Path
        What it guards, for the error.
    wait : bool
        Wait for the process that holds it, instead of stopping.

    Raises
    ------
    SERError
        If another process holds it, naming that, or the folder cannot be written.
    """
    with made_for(Path(path).parent), _locked(Path(path), what, wait):
        yield


@contextlib.contextmanager
def _locked(path: Path, what: str | Path, wait: bool) -> Iterator[None]:
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if not wait:
                raise SERError(
                    f"{what} is in use by {_holder(path)}. Wait for its end, or stop it; or "
                    "write elsewhere."
                ) from None
            logger.info(f"waiting for {_holder(path)}, which writes {what}")
            lock.acquire(poll_interval=0.2)
        with contextlib.suppress(
            PermissionError
        ):  # Windows keeps everybody out of a locked file
            path.write_text(json.dumps(_this_process()), encoding="utf-8")
    except OSError as error:
        lock.release()
        raise SERError(f"Cannot write {what}: {why(error)}.") from error
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):  # Windows removes it when it is released
            path.unlink(missing_ok=True)
        lock.release()


def _this_process() -> dict:
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": started}


def _holder(path: Path) -> str:
    """Who holds a lock, in words; the file is empty for an instant after it was taken."""
    try:
        found = json.loads(read_text(path, largest=LARGEST_SETTINGS))
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"

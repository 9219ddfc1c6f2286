"""Room for cached features: how much they take, what may go, what is too much."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import time
from collections.abc import Set
from pathlib import Path

from ser_brain.feature_file import SUFFIX
from ser_brain.files import remove_partial

IN_USE_S = 24 * 3600  # a file read since may belong to a run that goes on


class NoRoom(Exception):
    """The cache cannot take all it is to hold; says what that would need."""


def make_room(root: Path, needed_bytes: int, limit_bytes: float, kept: Set[Path]) -> str:
    """Remove what was not used for longest until more fits; for who holds the cache's lock.

    Parameters
    ----------
    root : Path
        Of the cache, with a folder for each front end.
    needed_bytes : int
        That are to be written.
    limit_bytes : float
        That all files may take together.
    kept : set of Path
        Files that stay; so does what was used within a day.

    Returns
    -------
    str
        What is missing, in words; empty where there is room.
    """
    for folder in root.glob("*/"):
        remove_partial(folder)
    held = _held(root)
    total = sum(stat.st_size for stat in held.values())
    begun = time.time() - IN_USE_S
    for file in sorted(held.keys() - kept, key=lambda file: held[file].st_mtime):
        if total + needed_bytes <= limit_bytes or held[file].st_mtime > begun:
            break
        with contextlib.suppress(OSError):  # another user's, or a disk that is only read
            file.unlink(missing_ok=True)
            total -= held[file].st_size
    free = shutil.disk_usage(root).free
    if needed_bytes <= min(limit_bytes - total, free):
        return ""
    limit = f"feature_cache_gb is {limit_bytes / 1e9:g} ({total / 1e9:.2f} in use)"
    if total + needed_bytes > limit_bytes:
        limit += f", {math.ceil((total + needed_bytes) / 1e7) / 100:.2f} would do"
    return (
        f"they take {needed_bytes / 1e9:.2f} GB; {limit}; the disk has {free / 1e9:.2f} GB free"
    )


def _held(root: Path) -> dict[Path, os.stat_result]:
    """Every cached file, of any front end; someone may be removing some."""
    held = {}
    for file in root.glob(f"*/*{SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            held[file] = file.stat()
    return held

"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ser_brain.errors import SERError

PARTIAL = ".partial-"  # begins the name of what is not whole yet


def inside(folder: str | Path, name: str) -> Path:
    """What lies in a folder by a name, for who writes it.

    Parameters
    ----------
    folder : str or Path
        Of a run, for example; somebody else may have made it.
    name : str
        Of a file or folder in it, which may be missing.

    Raises
    ------
    SERError
        If it leads out of the folder: a link, or a name with ``..``.
    """
    path = Path(folder) / name
    try:
        there = os.path.realpath(path)
    except (OSError, ValueError) as error:  # a name that no file can have
        raise SERError(f"Cannot write {path}: {error}.") from error
    if there != os.path.join(os.path.realpath(folder), name):
        raise SERError(
            f"{path} leads to {there}, and nothing of {folder} is written elsewhere. Remove "
            "the link, or put what it leads to in its place."
        )
    return path


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a path of the same name, whose file takes the place of ``path`` in the end.

    Parameters
    ----------
    path : str or Path
        The file to write; its folder is made where missing.

    Yields
    ------
    Path
        Where to write. Synced and renamed at the end; removed if the block raises.

    Raises
    ------
    SERError
        If the disk is full or the folder cannot be written.
    """
    path = Path(path)
    hidden = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In a folder of its own, where nobody finds it who looks for such files by suffix.
        hidden = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{path.name}-", dir=path.parent))
        temporary = hidden / path.name
        temporary.touch()
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise SERError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        if hidden is not None:
            shutil.rmtree(hidden, ignore_errors=True)


def remove_partial(folder: str | Path, *names: str) -> None:
    """Remove what killed processes left of files; for who alone writes to them.

    Parameters
    ----------
    folder : str or Path
    *names : str
        Of the files; without, of all in the folder.
    """
    random = "[a-z0-9_]" * 8  # of tempfile; without it, "a" would also mean what "a-b" left
    patterns = [f"{glob.escape(name)}-{random}" for name in names] or ["*"]
    for pattern in patterns:
        for left in Path(folder).glob(f"{PARTIAL}{pattern}"):
            shutil.rmtree(left, ignore_errors=True)


def sync_folder(folder: str | Path) -> None:
    """Wait until the disk knows the names in a folder: a rename is lost with the power else."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: object) -> None:
    """Write a JSON file atomically: two-space indent, names as they are, NaN refused."""
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def remove(path: str | Path) -> None:
    """Remove a file if it is there.

    Raises
    ------
    SERError
        If it is there and cannot be removed.
    """
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise SERError(f"Cannot write {path}: {error.strerror or error}.") from error


def read_json(path: str | Path, what: str) -> dict:
    """Read a JSON object.

    Parameters
    ----------
    path : str or Path
    what : str
        What the file is, for the error ("manifest").

    Raises
    ------
    SERError
        If it is missing, cannot be read or holds no JSON object.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SERError(f"No {what} at {path}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SERError(f"Cannot read the {what} {path}: {error}.") from error
    if not isinstance(content, dict):
        raise SERError(f"Bad {what} {path}: expected a JSON object.")
    return content


def parse_json_line(line: str, path: str | Path, number: int) -> dict:
    """Parse a line of a file of JSON lines: an object.

    Parameters
    ----------
    line : str
    path : str or Path
        Of the file, and
    number : int
        of the line, from 1, for the error.

    Raises
    ------
    SERError
        If it holds no JSON object.
    """
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SERError(f"{path}, line {number}: no JSON ({error}).") from error
    if not isinstance(content, dict):
        raise SERError(f"{path}, line {number}: expected a JSON object.")
    return content


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ser_brain.errors import SERError


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block succeeds.

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
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise SERError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


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


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

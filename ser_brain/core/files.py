"""Files that are either whole or not there, and reading those that somebody else wrote."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import io
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ser_brain.core.errors import SERError

PARTIAL = ".partial-"  # begins the name of what is not whole yet
LARGEST = 2**30  # bytes of a file that is read whole; a manifest of a million clips has half
LARGEST_SETTINGS = 2**20  # bytes of a file that a person could have written


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
        raise SERError(f"Cannot write {path}: {why(error)}.") from error
    finally:
        if hidden is not None:
            shutil.rmtree(hidden, ignore_errors=True)


def why(error: OSError) -> str:
    """Why something cannot be written, in words."""
    if isinstance(error, FileExistsError):  # of mkdir, which was to make it
        return f"{error.filename} is a file, not a folder"
    return error.strerror or str(error)


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
        temporary.write_text(text, encoding="utf-8", newline="\n")  # on Windows, too


def write_json(path: str | Path, content: object) -> None:
    """Write a JSON file atomically: two-space indent, names as they are, NaN refused."""
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    write_text(path, text + "\n")


@contextlib.contextmanager
def made_for(folder: str | Path) -> Iterator[None]:
    """Remove a folder, and those above it, that the block made and left empty."""
    folder = Path(folder)
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        yield
    finally:
        for each in made:
            with contextlib.suppress(OSError):  # it holds something, or was not made
                each.rmdir()


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


def open_regular(path: str | Path, largest: int | None = LARGEST) -> BinaryIO:
    """Open a file to read; to open a pipe could wait for ever, and a device may have no end.

    Parameters
    ----------
    path : str or Path
    largest : int, optional
        Bytes that it may have.

    Raises
    ------
    OSError
        If there is none, it cannot be read, it is no regular file, or it is larger.
    """
    wait_for_none = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | wait_for_none))
    found = os.fstat(file.fileno())
    if stat.S_ISREG(found.st_mode) and (largest is None or found.st_size <= largest):
        return file
    file.close()
    if stat.S_ISREG(found.st_mode):
        raise OSError(errno.EFBIG, f"it has over {largest} bytes", str(path))
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def read_text(
    path: str | Path, encoding: str = "utf-8", errors: str = "strict", largest: int = LARGEST
) -> str:
    """Read a text file that somebody else may have written; see :func:`open_regular`.

    Raises
    ------
    OSError, UnicodeDecodeError
    """
    with open_regular(path, largest) as file:
        return io.TextIOWrapper(file, encoding, errors).read()


def require_text(path: str | Path, what: str, largest: int = LARGEST) -> str:
    """Read a UTF-8 text file or stop.

    Parameters
    ----------
    path : str or Path
    what : str
        What the file is, for the error ("manifest").
    largest : int
        Bytes that it may have.

    Raises
    ------
    SERError
        If it is missing or cannot be read.
    """
    try:
        return read_text(path, largest=largest)
    except FileNotFoundError:
        raise SERError(f"No {what} at {path}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SERError(f"Cannot read the {what} {path}: {reason}.") from error


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
    text = require_text(path, what)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
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
    with open_regular(path, largest=None) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_folder() -> Path:
    """``$SER_CACHE``, else ``$XDG_CACHE_HOME/ser-recipes``, else ``~/.cache/ser-recipes``.

    Raises
    ------
    SERError
        If neither is set and the user has no home.
    """
    try:
        if os.environ.get("SER_CACHE"):
            return Path(os.environ["SER_CACHE"]).expanduser()
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(home).expanduser() / "ser-recipes"
    except RuntimeError as error:
        raise SERError(f"No folder for the cache ({error}); set SER_CACHE.") from None


SUMS = "SHA256SUMS"
LARGEST_checksums = 2**20  # bytes; a checkpoint's has under a thousand


def write_checksums(folder: str | Path, *names: str) -> None:
    """Note the SHA-256 of files of a folder, in the folder.

    Parameters
    ----------
    folder : str or Path
    *names : str
        Those of these that are there; without, every file in it and in its folders.
    """
    folder = Path(folder)
    paths = [folder / name for name in names] or [*folder.rglob("*")]
    paths = [path for path in paths if path.is_file() and path != folder / SUMS]
    found = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    lines = [f"{found[name]}  {name}\n" for name in sorted(found)]
    write_text(folder / SUMS, "".join(lines))


def changed_files(folder: str | Path, *names: str) -> list[str]:
    """Files of a folder that are missing or not as they were written.

    Parameters
    ----------
    folder : str or Path
    *names : str
        Look only at these.

    Returns
    -------
    list of str
        Empty where all is as it was, or nothing was noted.

    Raises
    ------
    SERError
        If a file cannot be read.
    """
    folder = Path(folder)
    if not (folder / SUMS).is_file():
        return []
    noted = _noted(folder)
    looked_at = set(names or noted) & noted.keys()
    try:
        changed = [name for name in sorted(looked_at) if _sum(folder / name) != noted[name]]
    except OSError as error:
        raise SERError(f"Cannot read {error.filename}: {error.strerror}.") from error
    return changed if noted else [SUMS]


def noted_files(folder: str | Path) -> list[str]:
    """Names of the files whose checksum a folder notes; none where there is no list.

    Raises
    ------
    SERError
        If the list cannot be read or is damaged.
    """
    folder = Path(folder)
    if not (folder / SUMS).is_file():
        return []
    noted = _noted(folder)
    if not noted:
        raise SERError(f"The list of checksums {folder / SUMS} is damaged.")
    return sorted(noted)


def _noted(folder: Path) -> dict[str, str]:
    """File -> its checksum; {} where the list itself is damaged."""
    sums = folder / SUMS
    try:
        if sums.stat().st_size > LARGEST_checksums:
            return {}
        text = read_text(sums, errors="replace")
    except OSError as error:
        raise SERError(f"Cannot read {sums}: {error.strerror}.") from error
    lines = [line.split("  ", 1) for line in text.splitlines()]
    if any(len(line) != 2 or _leads_out(line[1]) for line in lines):
        return {}
    return {name: digest for digest, name in lines}


def _leads_out(name: str) -> bool:
    """Whether a name is of no file in the folder; somebody else may have written the list."""
    return PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts


def _sum(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None

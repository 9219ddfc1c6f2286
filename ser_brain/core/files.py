"""Files: written whole or not at all, and read with care where somebody else wrote them."""

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

PARTIAL = ".partial-"  # prefix of the name of an unfinished file or folder
LARGEST = 2**30  # bytes of a file that is read whole; a manifest of a million clips has half
LARGEST_SETTINGS = 2**20  # bytes of a file that a person could have written
LFS_MAGIC = b"version https://git-lfs"  # begins the placeholder of a file that was not fetched


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path of the same name, which replaces ``path`` when the block ends.

    The temporary file is synced and renamed, or removed if the block raises. The folder of
    ``path`` is made if it is missing.
    """
    path = Path(path)
    hidden = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In a folder of its own, so that a search for files of this suffix does not find it.
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


def sync_folder(folder: str | Path) -> None:
    """Flush a folder to the disk: without this, a power failure can undo a rename."""
    if os.name != "posix":  # Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically, with ``\\n`` line ends on Windows too."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, content: object) -> None:
    """Write a JSON file atomically: two-space indent, UTF-8; a NaN raises ValueError."""
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def remove(path: str | Path) -> None:
    """Remove a file if it exists."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise SERError(f"Cannot write {path}: {why(error)}.") from error


def remove_partial(folder: str | Path, *names: str) -> None:
    """Remove what killed processes left of files, or of all files without ``names``.

    Only the process that holds the lock may call this: another's file may be in progress.
    """
    random = "[a-z0-9_]" * 8  # mkdtemp's suffix; without it, "a" would also match "a-b"
    patterns = [f"{glob.escape(name)}-{random}" for name in names] or ["*"]
    for pattern in patterns:
        for left in Path(folder).glob(f"{PARTIAL}{pattern}"):
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def made_for(folder: str | Path) -> Iterator[None]:
    """Remove the folders that the block made for ``folder``, if it left them empty."""
    folder = Path(folder)
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        yield
    finally:
        for each in made:
            with contextlib.suppress(OSError):  # not empty, or not made
                each.rmdir()


def require_new(folder: str | Path) -> None:
    """Stop unless something may be written into a folder: it is missing, or empty."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise SERError(f"{folder} is a file; name a folder to write into.")
    if folder.exists() and any(folder.iterdir()):
        raise SERError(
            f"{folder} exists and is not empty; choose another folder, or remove it."
        )


def inside(folder: str | Path, name: str) -> Path:
    """The path of a file to write in a folder that somebody else may have made.

    Stop if it leads out of the folder: through a link, or a name with ``..``.
    """
    path = Path(folder) / name
    try:
        target = os.path.realpath(path)
    except (OSError, ValueError) as error:  # a name that no file can have
        raise SERError(f"Cannot write {path}: {error}.") from error
    if target != os.path.join(os.path.realpath(folder), name):
        raise SERError(
            f"{path} leads to {target}, outside {folder}, so it is not written. Remove the "
            "link, or replace it by the file or folder it points to."
        )
    return path


def why(error: OSError) -> str:
    """Why something cannot be written, in words."""
    if isinstance(error, FileExistsError):  # from mkdir
        return f"{error.filename} is a file, not a folder"
    return error.strerror or str(error)


def open_regular(path: str | Path, largest: int | None = LARGEST) -> BinaryIO:
    """Open a regular file of at most ``largest`` bytes to read.

    Anything else raises OSError: opening a pipe could block for ever, and a device may have
    no end.
    """
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags))
    found = os.fstat(file.fileno())
    if stat.S_ISREG(found.st_mode) and (largest is None or found.st_size <= largest):
        return file
    file.close()
    if stat.S_ISREG(found.st_mode):
        raise OSError(errno.EFBIG, f"it has over {largest} bytes", str(path))
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def read_text(
    path: str | Path, encoding: str = "utf-8", errors: str = "strict", largest: int = LARGEST
) -> str:
    """Read a text file; raises what :func:`open_regular` does, and UnicodeDecodeError."""
    with open_regular(path, largest) as file:
        return io.TextIOWrapper(file, encoding, errors).read()


def require_bytes(path: str | Path, what: str, largest: int = LARGEST) -> bytes:
    """Read a file, or stop; ``what`` names it in the error ("manifest")."""
    try:
        with open_regular(path, largest) as file:
            return file.read()
    except FileNotFoundError:
        raise SERError(f"No {what} at {path}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SERError(f"Cannot read the {what} {path}: {reason}.") from error


def require_text(path: str | Path, what: str, largest: int = LARGEST) -> str:
    """Read a UTF-8 text file, or stop; like :func:`require_bytes`."""
    content = io.BytesIO(require_bytes(path, what, largest))
    try:
        return io.TextIOWrapper(content, "utf-8").read()  # line ends as "\n"
    except UnicodeDecodeError as error:
        raise SERError(f"Cannot read the {what} {path}: {error}.") from error


def read_json(path: str | Path, what: str) -> dict:
    """Read a JSON object, or stop; ``what`` names the file in the error."""
    return parse_json(require_bytes(path, what), path, what)


def splits_of(folder: Path) -> dict:
    """The split of a run: ids of each part, audit, classes and facts of the corpora.

    Raises
    ------
    SERError
        If it is missing or damaged.
    """
    return read_json(folder / SPLITS, "split")


def parse_json(content: bytes, path: str | Path, what: str) -> dict:
    """The JSON object in the bytes of a file; the rest as for :func:`read_json`."""
    try:
        found = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise SERError(f"Cannot read the {what} {path}: {error}.") from error
    if not isinstance(found, dict):
        raise SERError(f"Bad {what} {path}: expected a JSON object.")
    return found


def parse_json_line(line: str, path: str | Path, number: int) -> dict:
    """The JSON object on a line, or stop; ``path`` and ``number`` are for the error."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SERError(f"{path}, line {number}: not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise SERError(f"{path}, line {number}: expected a JSON object.")
    return content


def cache_folder() -> Path:
    """``$SER_CACHE``, else ``$XDG_CACHE_HOME/ser-recipes``, else ``~/.cache/ser-recipes``."""
    try:
        if os.environ.get("SER_CACHE"):
            return Path(os.environ["SER_CACHE"]).expanduser()
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(home).expanduser() / "ser-recipes"
    except RuntimeError as error:
        raise SERError(f"No folder for the cache ({error}); set SER_CACHE.") from None


SUMS = "SHA256SUMS"
RECORD, SPLITS = "run.json", "splits.json"  # in a run folder


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open_regular(path, largest=None) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_checksums(folder: str | Path, *names: str) -> None:
    """Write ``SHA256SUMS`` for the named files that exist, or for all files below a folder."""
    folder = Path(folder)
    paths = [folder / name for name in names] or [*folder.rglob("*")]
    paths = [path for path in paths if path.is_file() and path != folder / SUMS]
    found = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    lines = [f"{found[name]}  {name}\n" for name in sorted(found)]
    write_text(folder / SUMS, "".join(lines))


def changed_files(folder: str | Path, *names: str) -> list[str]:
    """Listed files (or those of them in ``names``) that are missing or differ from their hash.

    Empty if nothing has changed or there is no list; the list itself if it is damaged.
    """
    folder = Path(folder)
    if not (folder / SUMS).is_file():
        return []
    listed = _checksums(folder)
    try:
        changed = [
            name
            for name in sorted(set(names or listed) & listed.keys())
            if not (folder / name).is_file() or sha256_of(folder / name) != listed[name]
        ]
    except OSError as error:
        raise SERError(f"Cannot read {error.filename}: {error.strerror}.") from error
    return changed if listed else [SUMS]


def noted_files(folder: str | Path) -> list[str]:
    """Names in a folder's list of checksums; empty if there is none, an error if damaged."""
    folder = Path(folder)
    if not (folder / SUMS).is_file():
        return []
    listed = _checksums(folder)
    if not listed:
        raise SERError(f"The list of checksums {folder / SUMS} is damaged.")
    return sorted(listed)


def _checksums(folder: Path) -> dict[str, str]:
    """File -> checksum; {} where the list is damaged, or names a file outside the folder."""
    sums = folder / SUMS
    try:
        if sums.stat().st_size > LARGEST_SETTINGS:  # a checkpoint's has under a thousand bytes
            return {}
        text = read_text(sums, errors="replace")
    except OSError as error:
        raise SERError(f"Cannot read {sums}: {error.strerror}.") from error
    lines = [line.split("  ", 1) for line in text.splitlines()]
    for line in lines:
        name = PurePosixPath(line[-1])
        if len(line) != 2 or name.is_absolute() or ".." in name.parts:
            return {}
    return {name: digest for digest, name in lines}

"""``SHA256SUMS``: what the files of a folder were when it was written.

The format is that of the command ``sha256sum``: ``sha256sum --check SHA256SUMS``.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ser_brain.errors import SERError
from ser_brain.files import read_text, sha256_of, write_text

SUMS = "SHA256SUMS"
LARGEST = 2**20  # bytes; a checkpoint's has under a thousand


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
        if sums.stat().st_size > LARGEST:
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

"""``SHA256SUMS``: what the files of a folder were when it was written.

The format is that of the command ``sha256sum``: ``sha256sum --check SHA256SUMS``.
"""

from __future__ import annotations

from pathlib import Path

from ser_brain.errors import SERError
from ser_brain.files import sha256_of, write_text

SUMS = "SHA256SUMS"
LARGEST = 2**20  # bytes; a checkpoint's has under a thousand


def write_checksums(folder: str | Path, *names: str) -> None:
    """Note the SHA-256 of every file in a folder, or of some of them, in the folder."""
    paths = [path for path in sorted(Path(folder).iterdir()) if path.name in names or not names]
    found = {path.name: sha256_of(path) for path in paths}
    write_text(Path(folder) / SUMS, "".join(f"{found[name]}  {name}\n" for name in found))


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
    try:
        if (folder / SUMS).stat().st_size > LARGEST:
            return [SUMS]
        noted = _noted(folder / SUMS)
        looked_at = set(names or noted) & noted.keys()
        changed = [name for name in sorted(looked_at) if _sum(folder / name) != noted[name]]
    except OSError as error:
        raise SERError(f"Cannot read {error.filename}: {error.strerror}.") from error
    return changed if noted else [SUMS]


def _noted(sums: Path) -> dict[str, str]:
    """File -> its checksum; {} where the list itself is damaged."""
    lines = [line.split("  ", 1) for line in sums.read_text("utf-8", "replace").splitlines()]
    if any(len(line) != 2 for line in lines):
        return {}
    return {name: digest for digest, name in lines}


def _sum(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None

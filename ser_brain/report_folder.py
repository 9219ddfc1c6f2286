"""The folder of a report: whole or as it was, and nothing left of an earlier report."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ser_brain.errors import SERError
from ser_brain.files import PARTIAL, read_json, write_json

# Beside the report: what it wrote, so that the next one knows what to take away.
WRITTEN = "files.json"


@contextlib.contextmanager
def rewritten(folder: Path) -> Iterator[Path]:
    """Give a new folder, whose files take the place of those an earlier report wrote.

    Parameters
    ----------
    folder : Path
        Holds the report. Files that no report wrote stay as they are.

    Yields
    ------
    Path
        Where to write; its files are moved to ``folder`` when the block succeeds.

    Raises
    ------
    SERError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder) as name:
            new = Path(name)
            yield new
            earlier = _earlier(folder)
            written = sorted(path.name for path in new.iterdir())
            for name in written:
                os.replace(new / name, folder / name)
            for name in earlier.difference(written):
                (folder / name).unlink(missing_ok=True)
            write_json(folder / WRITTEN, {"written": written})
    except OSError as error:
        raise SERError(f"Cannot write {folder}: {error.strerror or error}.") from error


def _earlier(folder: Path) -> set[str]:
    """Names of the files an earlier report wrote; only of files in the folder itself."""
    path = folder / WRITTEN
    names = read_json(path, "list of a report's files").get("written") if path.exists() else []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SERError(f"Bad list of a report's files {path}; delete it.")
    return {name for name in names if Path(name).name == name and (folder / name).is_file()}

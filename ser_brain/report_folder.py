"""The folder of a report: whole or as it was, and nothing left of an earlier report."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ser_brain.checksums import SUMS, noted_files, write_checksums
from ser_brain.errors import SERError
from ser_brain.files import PARTIAL, remove_partial
from ser_brain.lock import NAME, held


@contextlib.contextmanager
def rewritten(folder: Path) -> Iterator[Path]:
    """Give a new folder, whose files take the place of those an earlier report wrote.

    Parameters
    ----------
    folder : Path
        Holds the report. Files that no report wrote stay as they are; which ones did, and their
        checksums, ``SHA256SUMS`` says.

    Yields
    ------
    Path
        Where to write; its files are moved to ``folder`` when the block succeeds.

    Raises
    ------
    SERError
        If the folder cannot be written, or another process writes it.
    """
    try:
        with held(folder / NAME, folder):
            remove_partial(folder)
            with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder) as name:
                new = Path(name)
                yield new
                _move(new, folder)
    except OSError as error:
        raise SERError(f"Cannot write {folder}: {error.strerror or error}.") from error


def _move(new: Path, folder: Path) -> None:
    """Move files to a folder, and remove those of an earlier report that have no successor."""
    write_checksums(new)
    earlier, written = noted_files(folder), noted_files(new)
    for name in [*written, SUMS]:  # the list last, when it is true
        os.replace(new / name, folder / name)
    for name in set(earlier) - set(written):
        (folder / name).unlink(missing_ok=True)

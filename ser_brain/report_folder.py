"""The folder of a report: whole or as it was, and nothing left of an earlier report.

What no report wrote is never removed. What a report wrote, ``files.json`` beside it says;
``SHA256SUMS`` does not, since data sets, models and runs have one, too.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ser_brain.checksums import SUMS, write_checksums
from ser_brain.errors import SERError
from ser_brain.files import PARTIAL, read_json, remove_partial, write_json
from ser_brain.lock import NAME, held
from ser_brain.log import get_logger

logger = get_logger(__name__)

WRITTEN = "files.json"
MARKS = ("hyperparams.yaml", "folds.json", "config.json")  # of a run, folds and a model
NEW = "report"  # in the name of the folder that is written before it is moved


@contextlib.contextmanager
def rewritten(folder: Path, own: bool = False) -> Iterator[Path]:
    """Give a new folder, whose files take the place of those an earlier report wrote.

    Parameters
    ----------
    folder : Path
        Holds the report. Files that no report wrote stay as they are.
    own : bool
        Nothing else is at home in the folder: whatever has the name of a file of the report
        gives way. Without, a folder that somebody has named is not taken for this.

    Yields
    ------
    Path
        Where to write; its files are moved to ``folder`` when the block succeeds, and listed
        in ``files.json`` and ``SHA256SUMS``.

    Raises
    ------
    SERError
        If the folder cannot be written, or another process writes it; and unless it is the
        report's own, if it is of something else, or holds a file of that name that no report
        wrote.
    """
    try:
        with held(folder / NAME, folder):
            remove_partial(folder, NEW, WRITTEN)
            if not own:
                _require_for_reports(folder)
            with tempfile.TemporaryDirectory(prefix=f"{PARTIAL}{NEW}-", dir=folder) as name:
                new = Path(name)
                yield new
                _move(new, folder, own)
    except OSError as error:
        raise SERError(f"Cannot write {folder}: {error.strerror or error}.") from error


def written_files(folder: Path) -> set[str]:
    """Names of the files that a report wrote into a folder, with its lists; {} without."""
    if not (folder / WRITTEN).exists():
        return set()
    try:
        names = read_json(folder / WRITTEN, "list of a report's files").get("written")
    except SERError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        logger.warning(
            f"{folder / WRITTEN} is damaged: nobody knows which files of {folder} are of an "
            "earlier report"
        )
        return set()
    return {WRITTEN, *(name for name in names if Path(name).name == name)}


def _require_for_reports(folder: Path) -> None:
    """Stop where something else than a report is at home."""
    home = folder.resolve()
    for mark in MARKS:
        if (home / mark).exists():
            raise SERError(
                f"{folder} holds {mark}, of a run, folds or a model; choose another folder."
            )
        if home.name == "report" and (home.parent / mark).exists():
            raise SERError(f"{folder} is the report of a run; choose another folder.")
    _require_written(folder, {SUMS, WRITTEN}, written_files(folder))


def _require_written(folder: Path, names: Iterable[str], earlier: set[str]) -> None:
    """Stop where files would be replaced that no earlier report wrote."""
    foreign = [name for name in sorted(set(names) - earlier) if os.path.lexists(folder / name)]
    if foreign:
        raise SERError(
            f"{folder} holds {', '.join(foreign)}, which no report wrote; choose another "
            "folder, or remove that."
        )


def _same(new: Path, there: Path) -> bool:
    """Whether a file is there already, so that nothing is lost where a new one replaces it."""
    return new.is_file() and there.is_file() and filecmp.cmp(new, there, shallow=False)


def _move(new: Path, folder: Path, own: bool) -> None:
    """Move files to a folder, and remove those of an earlier report that have no successor."""
    earlier = written_files(folder)
    written = {SUMS, WRITTEN, *(path.name for path in new.iterdir())}
    if not own:
        kept = {name for name in written if _same(new / name, folder / name)}
        _require_written(folder, written - kept, earlier)
    write_json(new / WRITTEN, {"written": sorted(written)})
    write_checksums(new)
    # Both until the end: who is stopped in between leaves nothing whose owner is unknown.
    write_json(folder / WRITTEN, {"written": sorted(earlier | written)})
    for name in sorted(written - {SUMS, WRITTEN}):
        os.replace(new / name, folder / name)
    stale = sorted(name for name in earlier - written if (folder / name).is_file())
    for name in stale:
        (folder / name).unlink()
    for name in (WRITTEN, SUMS):  # the checksums last, when they are true
        os.replace(new / name, folder / name)
    if stale:
        logger.info(f"{folder}: removed {', '.join(stale)} of an earlier report")

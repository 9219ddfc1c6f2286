"""Whether the files of a folder are those that its ``SHA256SUMS`` was written for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ser_brain.checksums import SUMS, changed_files, noted_files
from ser_brain.errors import SERError
from ser_brain.report_folder import written_files
from ser_brain.verification.checks import UNCHECKED, Check, check


def verify_files(
    item: str,
    folder: Path,
    expected: Collection[str],
    again: str,
    may_edit: Callable[[str], bool],
) -> Iterator[Check]:
    """Compare the files of a folder with its list of checksums.

    Parameters
    ----------
    item : str
        What they are, for the check.
    folder : Path
    expected : collection of str
        Files that are there and should be in the list. Those that are not, because somebody
        took them out or the list is of an earlier version, get a check of their own.
    again : str
        What to do about a damaged file, or a damaged list.
    may_edit : callable
        Whether a file may be edited, so that its line may be taken out.
    """
    if not (folder / SUMS).is_file():
        yield Check(item, UNCHECKED, f"written without {SUMS}")
        return
    yield check(item, lambda: _look(folder, again, may_edit))
    try:
        listed = noted_files(folder)
    except SERError:  # Damaged, or not to be read, as the check says.
        return
    for name in sorted({*expected} - {*listed, SUMS}):
        yield Check(f"{item} ({name})", UNCHECKED, f"not in {SUMS}")


def verify_report_files(item: str, folder: Path) -> Iterator[Check]:
    """Compare the files of a report with its list of checksums."""
    written = written_files(folder)
    yield from verify_files(item, folder, written, "write it again", written.__contains__)


def _look(folder: Path, again: str, may_edit: Callable[[str], bool]) -> None:
    changed = changed_files(folder)
    if changed == [SUMS]:
        raise SERError(f"{SUMS} is damaged ({again})")
    if not changed:
        return
    edited = [name for name in changed if may_edit(name)]
    accept = f"; or, to accept an edit, take {', '.join(edited)} out of {SUMS}"
    raise SERError(f"not as written: {', '.join(changed)} ({again}{accept if edited else ''})")

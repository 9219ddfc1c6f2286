"""The table that ``ser predict --out`` writes: CSV, JSON lines or Parquet.

Rows gather in ``OUT.part``, which takes the place of OUT when all are there, so that OUT is
whole or not there. ``OUT.journal`` tells the next run what is done.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ser_brain.csv_text import csv_text
from ser_brain.errors import SERError, bad_value
from ser_brain.files import atomic_path, remove, write_text
from ser_brain.inference import parquet_table
from ser_brain.inference.journal import Journal
from ser_brain.inference.left_out import LeftOut, merged, table
from ser_brain.inference.predicting import Chunk
from ser_brain.tables import to_csv


def _csv_lines(rows: Sequence[Mapping], columns: Sequence[str]) -> str:
    return csv_text([row[column] for column in columns] for row in rows)


def _json_lines(rows: Sequence[Mapping], columns: Sequence[str]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


PARQUET = ".parquet"
LINES: dict[str, Callable[[Sequence[Mapping], Sequence[str]], str]] = {
    ".csv": _csv_lines,
    ".jsonl": _json_lines,
    PARQUET: _json_lines,  # turned into Parquet at the end
}


class PredictionOutput:
    """A table on disk that grows chunk by chunk, and goes on where an earlier run stopped.

    Attributes
    ----------
    path : Path
    part : Path
        The rows until they are complete.
    left_out_path : Path
        CSV of what has no row.

    Parameters
    ----------
    path : Path
        Its suffix tells the format.
    columns : sequence of str
        Of a row.
    settings : mapping
        What decides on the rows: model, windows. In JSON types.

    Raises
    ------
    SERError
        If the format is unknown or cannot be written, or what is at ``path`` was made by
        other settings or by something else.
    """

    def __init__(self, path: Path, columns: Sequence[str], settings: Mapping):
        self._suffix = path.suffix.lower()
        if self._suffix not in LINES:
            raise bad_value("--out suffix", path.suffix, LINES)
        if self._suffix == PARQUET:
            parquet_table.require_pyarrow()
        self.path = path
        self.part = path.with_name(f"{path.name}.part")
        self.left_out_path = path.with_name(f"{path.stem}.left_out.csv")
        self._columns = list(columns)
        self._settings = {**settings, "columns": self._columns}
        self._journal = Journal(path.with_name(f"{path.name}.journal"))
        self._goes_on = self._can_go_on()
        self._is_open = False
        self._unusable: list[LeftOut] = []

    @property
    def names(self) -> list[str]:
        """Of its files."""
        paths = (self.path, self.part, self._journal.path, self.left_out_path)
        return [path.name for path in paths]

    @property
    def left_out(self) -> list[LeftOut]:
        """What has no row: what this run found unusable, and parts of files that have rows."""
        of_files_with_rows = self._journal.left_out if self._goes_on else []
        return merged([*of_files_with_rows, *self._unusable])

    def remaining(self, files: Sequence[Path]) -> dict[Path, int]:
        """Files to score, and how many pieces of each are done.

        Raises
        ------
        SERError
            If a file has changed since it was scored.
        """
        return self._journal.remaining(files) if self._goes_on else dict.fromkeys(files, 0)

    def add(self, chunk: Chunk, rows: Sequence[Mapping]) -> None:
        """Write the rows of a chunk, then note that they are there.

        Raises
        ------
        SERError
            If they cannot be written.
        """
        self._unusable += [item for item in chunk.left_out if item.is_whole]
        in_part = [item for item in chunk.left_out if not item.is_whole]
        if not (rows or in_part or chunk.finished):
            return
        try:
            self._open()
            with open(self.part, "ab") as file:
                file.write(LINES[self._suffix](rows, self._columns).encode())
                file.flush()
                os.fsync(file.fileno())
                written = file.tell()
            self._journal.add(written, chunk.finished, chunk.unfinished, in_part)
        except OSError as error:
            raise SERError(f"Cannot write {self.part}: {error.strerror or error}.") from error

    def finish(self) -> None:
        """Put the table in its place, and beside it a table of what was left out.

        Raises
        ------
        SERError
            If they cannot be written.
        """
        try:
            if self.part.exists() or not self.path.exists():
                self._open()
                if self._suffix == PARQUET:
                    parquet_table.from_json_lines(self.part, self.path, self._columns)
                    remove(self.part)
                else:
                    os.replace(self.part, self.path)
        except OSError as error:
            raise SERError(f"Cannot write {self.path}: {error.strerror or error}.") from error
        if self.left_out:
            write_text(self.left_out_path, to_csv(table(self.left_out)))
        else:
            remove(self.left_out_path)

    def _can_go_on(self) -> bool:
        """Whether rows are there to which others can be added; False where there are none."""
        there = [path for path in (self.part, self.path) if path.exists()]
        if not there:
            return False
        found = self._journal.settings
        advice = f"Give another --out, or remove {' and '.join(map(str, there))}."
        if found is None:
            raise SERError(
                f"{there[0]} is there without {self._journal.path}, which tells what is done; "
                f"nothing can be added to it. {advice}"
            )
        other = [key for key, value in self._settings.items() if found.get(key) != value]
        if other:
            was = "; ".join(
                f"{key} {found.get(key)!r}, now {self._settings[key]!r}" for key in other
            )
            raise SERError(f"{there[0]} was made with other settings: {was}. {advice}")
        return True

    def _open(self) -> None:
        """Make ``part`` hold the rows that count, and nothing else."""
        if self._is_open:
            return
        if not self._goes_on:
            self._journal.begin(self._settings)
            self.part.write_bytes(b"")
        elif self.part.exists():
            self._drop_what_does_not_count()
        else:
            with atomic_path(self.part) as temporary:
                if self._suffix == PARQUET:
                    parquet_table.to_json_lines(self.path, temporary)
                else:
                    shutil.copyfile(self.path, temporary)
                self._journal.add(temporary.stat().st_size)
        if self._suffix == ".csv" and self.part.stat().st_size == 0:
            self.part.write_text(csv_text([self._columns]), encoding="utf-8", newline="")
        self._is_open = self._goes_on = True

    def _drop_what_does_not_count(self) -> None:
        """Cut off what was written after the journal's last line."""
        found, expected = self.part.stat().st_size, self._journal.bytes_written
        if found < expected:
            raise SERError(
                f"{self.part} holds {found} bytes where its journal says {expected}; something "
                "else has changed it. Give another --out, or remove it."
            )
        os.truncate(self.part, expected)

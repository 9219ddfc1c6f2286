"""The table that ``ser predict --out`` writes: CSV, JSON lines or Parquet.

Rows are collected in ``OUT.part``, which is renamed to OUT when all are written, so OUT is
complete or absent. ``OUT.journal`` records what is done, so the next run can continue.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple
from itertools import islice
from pathlib import Path

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import atomic_path, open_regular, remove, write_text
from ser_brain.core.tables import csv_text
from ser_brain.data.audio import split_channel
from ser_brain.data.segment_tables import COPIED
from ser_brain.inference.predict import Chunk
from ser_brain.inference.segments import Skipped, merged


def _csv_lines(rows: Sequence[Mapping], columns: Sequence[str]) -> str:
    return csv_text([row[column] for column in columns] for row in rows)


def _json_lines(rows: Sequence[Mapping], columns: Sequence[str]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


PARQUET = ".parquet"
LINES: dict[str, Callable[[Sequence[Mapping], Sequence[str]], str]] = {
    ".csv": _csv_lines,
    ".jsonl": _json_lines,
    PARQUET: _json_lines,  # converted to Parquet at the end
}


class PredictionOutput:
    """A table on disk that grows chunk by chunk and continues where an earlier run stopped.

    Its suffix chooses the format. ``settings`` are what the rows depend on (model, windows), in
    JSON types. A table that was written with others, or by something else, is an error.
    """

    def __init__(self, path: Path, columns: Sequence[str], settings: Mapping):
        self._suffix = path.suffix.lower()
        if self._suffix not in LINES:
            raise bad_value("--out suffix", path.suffix, LINES)
        if self._suffix == PARQUET:
            _require_pyarrow()
        self.path = path
        self.part = path.with_name(f"{path.name}.part")  # the rows while they are incomplete
        self.skipped_path = path.with_name(f"{path.stem}.left_out.csv")  # what has no row
        self._columns = list(columns)
        self._settings = {**settings, "columns": self._columns}
        self._journal = Journal(path.with_name(f"{path.name}.journal"))
        self._continues = self._can_continue()
        self._is_open = False
        self._unusable: list[Skipped] = []

    @property
    def names(self) -> list[str]:
        """The names of its files."""
        paths = (self.path, self.part, self._journal.path, self.skipped_path)
        return [path.name for path in paths]

    @property
    def skipped(self) -> list[Skipped]:
        """What has no row: files that this run could not use, and parts of files with rows."""
        of_files_with_rows = self._journal.skipped if self._continues else []
        return merged([*of_files_with_rows, *self._unusable])

    def remaining(self, files: Sequence[Path]) -> dict[Path, int]:
        """Files to score, and how many segments of each are done."""
        return self._journal.remaining(files) if self._continues else dict.fromkeys(files, 0)

    def add(self, chunk: Chunk, rows: Sequence[Mapping]) -> None:
        """Write the rows of a chunk, then record that they are written."""
        unusable = [item for item in chunk.skipped if item.is_whole]
        self._unusable += unusable
        if not (rows or chunk.finished) and unusable == chunk.skipped:
            return
        try:
            self._open()
            with open(self.part, "ab") as file:
                file.write(LINES[self._suffix](rows, self._columns).encode())
                file.flush()
                os.fsync(file.fileno())
                written = file.tell()
            self._journal.add(written, chunk)
        except OSError as error:
            raise SERError(f"Cannot write {self.part}: {error.strerror or error}.") from error

    def finish(self) -> None:
        """Move the table into place and write a table of what was skipped beside it."""
        try:
            if self.part.exists() or not self.path.exists():
                self._open()
                if self._suffix == PARQUET:
                    _to_parquet(self.part, self.path, self._columns)
                    remove(self.part)
                else:
                    os.replace(self.part, self.path)
        except OSError as error:
            raise SERError(f"Cannot write {self.path}: {error.strerror or error}.") from error
        if self.skipped:
            rows = [["file", "start", "stop", "reason"], *map(astuple, self.skipped)]
            write_text(self.skipped_path, csv_text(rows))
        else:
            remove(self.skipped_path)

    def _can_continue(self) -> bool:
        """Whether there are rows to add to; an error if others must not be added to them."""
        there = [path for path in (self.part, self.path) if path.exists()]
        if not there:
            return False
        kept = self._journal.settings
        advice = f"Give another --out, or remove {' and '.join(map(str, there))}."
        if kept is None:
            raise SERError(
                f"{there[0]} exists without {self._journal.path}, which records what is done, "
                f"so no rows can be added to it. {advice}"
            )
        other = [
            f"{key} {kept.get(key)!r}, now {self._settings.get(key)!r}"
            for key in {**self._settings, **kept}
            if kept.get(key) != self._settings.get(key)
        ]
        if other:
            raise SERError(
                f"{there[0]} was made with other settings: {'; '.join(other)}. {advice}"
            )
        return True

    def _open(self) -> None:
        """Make ``part`` hold exactly the rows that the journal records."""
        if self._is_open:
            return
        if not self._continues:
            self._journal.begin(self._settings)
            self.part.write_bytes(b"")
        elif self.part.exists():
            self._drop_unrecorded_rows()
        else:
            with atomic_path(self.part) as temporary:
                if self._suffix == PARQUET:
                    _from_parquet(self.path, temporary)
                else:
                    shutil.copyfile(self.path, temporary)
                self._journal.add(temporary.stat().st_size, Chunk())
        if self._suffix == ".csv" and self.part.stat().st_size == 0:
            self.part.write_text(csv_text([self._columns]), encoding="utf-8", newline="")
        self._is_open = self._continues = True

    def _drop_unrecorded_rows(self) -> None:
        # A run that was killed may have written rows, or half a row, after its last record.
        found, expected = self.part.stat().st_size, self._journal.bytes_written
        if found < expected:
            raise SERError(
                f"{self.part} holds {found} bytes, but its journal records {expected}: it was "
                "changed by something else. Give another --out, or remove it."
            )
        os.truncate(self.part, expected)


class Journal:
    """The record of an output, one JSON line for each chunk; read when constructed."""

    def __init__(self, path: Path):
        self.path = path
        self._read()

    def begin(self, settings: Mapping) -> None:
        """Start a new journal."""
        write_text(self.path, json.dumps(settings, ensure_ascii=False) + "\n")
        self._read()

    def add(self, bytes_written: int, chunk: Chunk) -> None:
        """Record that the rows of a chunk are written; all rows so far have this size."""
        files = {str(path): {"mark": _mark(path), "pieces": None} for path in chunk.finished}
        if chunk.unfinished is not None:
            path, count = chunk.unfinished
            files[str(path)] = {"mark": _mark(path), "pieces": count}
        skipped = [asdict(item) for item in chunk.skipped if not item.is_whole]
        line = {"bytes": bytes_written, "files": files, "left_out": skipped}
        content = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        with open(self.path, "rb+") as file:
            file.truncate(self._length)
            file.seek(self._length)
            file.write(content)
            os.fsync(file.fileno())
        self._length += len(content)
        self._take(line)

    def remaining(self, files: Sequence[Path]) -> dict[Path, int]:
        """Files that are not finished, and how many segments of each have been handled."""
        found = {}
        for path in files:
            entry = self._files.get(str(path), {"mark": None, "pieces": 0})
            if entry["mark"] and _mark(path) not in (entry["mark"], None):
                raise SERError(
                    f"{path} has changed since it was scored (size or time). Give another "
                    f"--out to score everything again, or remove {self.path} and its table."
                )
            if entry["pieces"] is not None:
                found[path] = entry["pieces"]
        return found

    def _read(self) -> None:
        self.settings: dict | None = None  # what the rows were made with
        self.bytes_written = 0  # size of the recorded rows
        self.skipped: list[Skipped] = []  # parts of files that have rows
        self._files: dict[str, dict] = {}
        self._length = 0  # of the journal itself, in bytes
        if not self.path.exists():
            return
        with open_regular(self.path) as file:
            content = file.read()
        self._length = content.rfind(b"\n") + 1
        try:
            self.settings, *lines = map(json.loads, content[: self._length].split(b"\n")[:-1])
            for line in lines:
                self._take(line)
        except (ValueError, KeyError, TypeError) as error:
            raise SERError(
                f"Cannot read {self.path} ({error}); remove it and its table, or give another "
                "--out."
            ) from error

    def _take(self, line: Mapping) -> None:
        self.bytes_written = line["bytes"]
        self._files.update(line["files"])
        self.skipped += [Skipped(**item) for item in line["left_out"]]


def _mark(path: Path) -> list[int] | None:
    """Size and time, by which a changed file is noticed; None if it no longer exists."""
    file = split_channel(path)[0]
    if not file.exists():
        return None
    found = file.stat()
    return [found.st_size, found.st_mtime_ns]


TEXT = (
    "file",
    "emotion",
    "unadapted_emotion",
    "warnings",
    *COPIED,
)  # every other column is a number
ROWS_AT_ONCE = 10_000


def _require_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise SERError(
            "A .parquet file needs pyarrow: pip install 'ser-recipes[parquet]', or give --out "
            "a .csv or .jsonl file."
        ) from error


def _to_parquet(source: Path, path: Path, columns: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [(name, pa.string() if name in TEXT else pa.float64()) for name in columns]
    )
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        with open(source, encoding="utf-8", newline="\n") as file:
            rows = map(json.loads, file)
            while some := list(islice(rows, ROWS_AT_ONCE)):
                writer.write_table(pa.Table.from_pylist(some, schema))


def _from_parquet(path: Path, target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open(target, "w", encoding="utf-8") as file:
            for batch in pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE):
                file.writelines(
                    json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist()
                )
    except pa.ArrowException as error:
        raise SERError(f"Cannot read {path}: {error}.") from error

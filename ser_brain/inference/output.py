"""The table that ``ser predict --out`` writes: CSV, JSON lines or Parquet.

Rows gather in ``OUT.part``, which takes the place of OUT when all are there, so that OUT is
whole or not there. ``OUT.journal`` tells the next run what is done.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import atomic_path, open_regular, remove, write_text
from ser_brain.core.tables import csv_text, to_csv
from ser_brain.inference.predict import Chunk
from ser_brain.inference.segments import LeftOut, merged, table


class Journal:
    """The journal of an output; read when made.

    Attributes
    ----------
    path : Path
    settings : dict or None
        What made the rows; None where there is no journal yet.
    bytes_written : int
        Of the rows.
    left_out : list of LeftOut
        Of files that have rows.

    Raises
    ------
    SERError
        If there is one that cannot be read.
    """

    def __init__(self, path: Path):
        self.path = path
        self._read()

    def begin(self, settings: Mapping) -> None:
        """Start anew."""
        write_text(self.path, json.dumps(settings, ensure_ascii=False) + "\n")
        self._read()

    def add(
        self,
        bytes_written: int,
        finished: Iterable[Path] = (),
        unfinished: tuple[Path, int] | None = None,
        left_out: Iterable[LeftOut] = (),
    ) -> None:
        """Note that rows have been written.

        Parameters
        ----------
        bytes_written : int
            Of all rows, with those before.
        finished, unfinished
            See :class:`ser_brain.inference.predict.Chunk`.
        left_out : iterable of LeftOut
            What the same files have no rows of.
        """
        files = {str(path): {"mark": _mark(path), "pieces": None} for path in finished}
        if unfinished is not None:
            path, pieces = unfinished
            files[str(path)] = {"mark": _mark(path), "pieces": pieces}
        chunk = {"bytes": bytes_written, "files": files, "left_out": [*map(asdict, left_out)]}
        content = (json.dumps(chunk, ensure_ascii=False) + "\n").encode()
        with open(self.path, "rb+") as file:
            file.truncate(self._length)
            file.seek(self._length)
            file.write(content)
            os.fsync(file.fileno())
        self._length += len(content)
        self._take(chunk)

    def remaining(self, files: Sequence[Path]) -> dict[Path, int]:
        """Files that are not finished, and how many pieces of each have been dealt with.

        Raises
        ------
        SERError
            If a file has changed since its rows were written.
        """
        found = {}
        for path in files:
            entry = self._files.get(str(path), {"mark": None, "pieces": 0})
            if entry["mark"] and _mark(path) not in (entry["mark"], None):
                raise SERError(
                    f"{path} has changed since it was scored (size or time). To score all "
                    f"again give another --out, or remove {self.path} and what it belongs to."
                )
            if entry["pieces"] is not None:
                found[path] = entry["pieces"]
        return found

    def _read(self) -> None:
        self.settings: dict | None = None
        self.bytes_written = 0
        self.left_out: list[LeftOut] = []
        self._files: dict[str, dict] = {}
        self._length = 0  # of the journal itself, in bytes
        if not self.path.exists():
            return
        with open_regular(self.path) as file:
            content = file.read()
        self._length = content.rfind(b"\n") + 1
        try:
            self.settings, *chunks = map(json.loads, content[: self._length].split(b"\n")[:-1])
            for chunk in chunks:
                self._take(chunk)
        except (ValueError, KeyError, TypeError) as error:
            raise SERError(
                f"Cannot read {self.path} ({error}); remove it and what it belongs to, or give "
                "another --out."
            ) from error

    def _take(self, chunk: Mapping) -> None:
        self.bytes_written = chunk["bytes"]
        self._files.update(chunk["files"])
        self.left_out += [LeftOut(**item) for item in chunk["left_out"]]


def _mark(path: Path) -> list[int] | None:
    """Files that differ in it differ; None where there is none any more."""
    if not path.exists():
        return None
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


TEXT = ("file", "emotion", "warnings")  # every other column is a number
ROWS_AT_ONCE = 10_000


def require_pyarrow() -> None:
    """Stop if pyarrow is not installed.

    Raises
    ------
    SERError
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise SERError(
            "A .parquet file needs pyarrow: pip install 'ser-recipes[parquet]', or give --out "
            "a .csv or .jsonl file."
        ) from error


def from_json_lines(source: Path, path: Path, columns: Sequence[str]) -> None:
    """Write a Parquet file of the rows of a file of JSON lines, atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [(name, pa.string() if name in TEXT else pa.float64()) for name in columns]
    )
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for rows in _read(source):
            writer.write_table(pa.Table.from_pylist(rows, schema))


def to_json_lines(path: Path, target: Path) -> None:
    """The other way round.

    Raises
    ------
    SERError
        If it is no Parquet file.
    """
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


def _read(source: Path) -> Iterator[list[dict]]:
    with open(source, encoding="utf-8", newline="\n") as file:
        rows = map(json.loads, file)
        while some := list(islice(rows, ROWS_AT_ONCE)):
            yield some


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
            require_pyarrow()
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
                    from_json_lines(self.part, self.path, self._columns)
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
                    to_json_lines(self.path, temporary)
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

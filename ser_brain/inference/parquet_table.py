"""Rows of predictions as Parquet, by pyarrow (extra ``parquet``)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from ser_brain.errors import SERError
from ser_brain.files import atomic_path

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

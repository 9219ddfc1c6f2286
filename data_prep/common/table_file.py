"""Label tables as they are found: CSV with any delimiter, or JSON lines; compressed or not."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from ser_brain.core.errors import SERError, nearest
from ser_brain.core.files import open_regular, parse_json_line
from ser_brain.core.tables import as_said, delimiter_of
from ser_brain.data.audio import LFS_MAGIC

DELIMITERS = ",;\t|"
GZIP = b"\x1f\x8b"

# First bytes of what is a table and no text, and how it becomes one.
NO_TEXT = {
    b"PK\3\4": "a workbook or another zip file; save its sheet as CSV, or unzip it",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save its sheet as CSV",
    b"PAR1": 'a Parquet file; write it as CSV: python -c "import pandas, sys; '
    'pandas.read_parquet(sys.argv[1]).to_csv(sys.argv[2], index=False)" IN.parquet OUT.csv',
}


def read_table(path: Path) -> tuple[list[str], dict[int, dict[str, str]]]:
    """Read a CSV file with a header line, or JSON lines: an object per utterance.

    The delimiter is the one of comma, semicolon, tab and bar that the header holds most of.

    Parameters
    ----------
    path : Path
        UTF-8, or UTF-16 with a byte order mark; may be compressed by gzip.

    Returns
    -------
    columns : list of str
    rows : dict
        Line number -> row; a row is column -> cell, stripped.

    Raises
    ------
    SERError
        If it cannot be read, is empty, names a column twice, or a row is longer or shorter
        than the header.
    """
    text = _text(path)
    if "\0" in text:  # Python 3.10's reader stops there, later ones do not.
        line = text[: text.index("\0")].count("\n") + 1
        raise SERError(f"{path}, line {line} holds a null character; is it a text file?")
    if text.lstrip().startswith("{"):
        return _json_lines(path, text)
    delimiter = delimiter_of(text, DELIMITERS)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [as_said(cell.strip()) for cell in next(lines, [])]
        if not any(columns):
            raise SERError(f"{path} is empty; expected a header line with column names.")
        named = [column for column in columns if column]
        if len(set(named)) < len(named):
            raise SERError(f"{path} names a column twice: {', '.join(columns)}.")
        rows = {}
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                raise SERError(
                    f"{path}, line {lines.line_num}: {len(cells)} cells where the header has "
                    f"{len(columns)} ({', '.join(columns)})."
                )
            said = (as_said(cell.strip()) for cell in cells)
            rows[lines.line_num] = dict(zip(columns, said, strict=True))
    except csv.Error as error:
        raise SERError(f"{path}, line {lines.line_num}: {error}.") from error
    return columns, rows


def require_columns(path: Path, columns: Iterable[str], needed: Iterable[str]) -> None:
    """Check that a table has the columns that are to be read.

    Raises
    ------
    SERError
        With the columns it has, the nearest first.
    """
    columns = list(columns)
    for name in needed:
        if name not in columns:
            has = ", ".join(nearest(name, columns))
            raise SERError(f"{path} has no column {name!r}; its columns are: {has}.")


def _json_lines(path: Path, text: str) -> tuple[list[str], dict[int, dict[str, str]]]:
    rows = {
        number: parse_json_line(line, path, number)
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    }
    columns = list(dict.fromkeys(key.strip() for row in rows.values() for key in row))
    return columns, {
        number: dict.fromkeys(columns, "") | {key.strip(): _cell(row[key]) for key in row}
        for number, row in rows.items()
    }


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            content = file.read()
        if content.startswith(GZIP):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise SERError(f"Cannot read {path}: {why}.") from error
    for magic, advice in NO_TEXT.items():
        if content.startswith(magic):
            raise SERError(f"{path} is {advice}.")
    if content.startswith(LFS_MAGIC):
        raise SERError(f"{path} is a git-LFS stub, not the table; fetch it with git lfs pull.")
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SERError(f"{path}, line {line} is not UTF-8; save the table as UTF-8.") from error

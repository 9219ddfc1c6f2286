"""Label tables as they are found: any delimiter, with or without a byte order mark."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable
from pathlib import Path

from ser_brain.audio import LFS_MAGIC
from ser_brain.errors import SERError, nearest
from ser_brain.files import open_regular

DELIMITERS = ",;\t|"


def read_table(path: Path) -> tuple[list[str], dict[int, dict[str, str]]]:
    """Read a CSV file with a header line.

    The delimiter is the one of comma, semicolon, tab and bar that the header holds most of.

    Parameters
    ----------
    path : Path
        UTF-8, or UTF-16 with a byte order mark.

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
    header = text.lstrip().partition("\n")[0]
    delimiter = max(DELIMITERS, key=header.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [cell.strip() for cell in next(lines, [])]
        if not any(columns):
            raise SERError(f"{path} is empty; expected a header line with column names.")
        if len(set(columns)) < len(columns):
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
            stripped = (cell.strip() for cell in cells)
            rows[lines.line_num] = dict(zip(columns, stripped, strict=True))
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


def _text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            content = file.read()
    except OSError as error:
        raise SERError(f"Cannot read {path}: {error.strerror or error}.") from error
    if content.startswith(LFS_MAGIC):
        raise SERError(f"{path} is a git-LFS stub, not the table; fetch it with git lfs pull.")
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SERError(f"{path}, line {line} is not UTF-8; save the table as UTF-8.") from error

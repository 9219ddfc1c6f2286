"""The rows of a table of predictions as they stand in the file: CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_brain.csv_text import as_said, delimiter_of
from ser_brain.errors import SERError
from ser_brain.files import parse_json_line, read_text

DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Rows:
    """A table's rows.

    Attributes
    ----------
    path : Path
    cells : list of dict
        Column -> cell: text in a CSV file, any JSON type in a file of JSON lines.
    lines : list of int
        Line in the file.
    decimal_comma : bool
        Whether 0,5 is a number: where the delimiter is no comma.
    """

    path: Path
    cells: list[dict]
    lines: list[int]
    decimal_comma: bool

    def has(self, column: str) -> bool:
        """Whether the table has a column; of JSON lines the first decides."""
        return column in self.cells[0]

    def where(self, i: int) -> str:
        """A row, for an error."""
        name = self.cells[i].get("id")
        return f"{self.path.name}, line {self.lines[i]}" + (f" (id {name})" if name else "")

    def chosen(self, kept: list[int]) -> Rows:
        """Some of the rows."""
        return Rows(
            self.path,
            [self.cells[i] for i in kept],
            [self.lines[i] for i in kept],
            self.decimal_comma,
        )

    def numbers(self, column: str) -> np.ndarray:
        """A column of finite numbers.

        Raises
        ------
        SERError
            Naming the first cell that is none.
        """
        cells = [row.get(column) for row in self.cells]
        values_N = np.array([self._number(cell) for cell in cells])
        bad = np.flatnonzero(~np.isfinite(values_N))
        if len(bad):
            found = cells[bad[0]]
            said = "empty" if found in (None, "") else repr(found)
            raise SERError(
                f"{self.where(bad[0])}: {column} is {said}; expected a number. Mend the row or "
                "leave it out."
            )
        return values_N

    def _number(self, cell: object) -> float:
        if isinstance(cell, str):
            try:
                return float(cell.replace(",", ".") if self.decimal_comma else cell)
            except ValueError:
                return math.nan
        plain = isinstance(cell, int | float) and not isinstance(cell, bool)
        return float(cell) if plain and abs(cell) <= sys.float_info.max else math.nan


def read_rows(path: str | Path) -> Rows:
    """Read a table.

    Parameters
    ----------
    path : str or Path
        UTF-8, with or without a byte order mark. JSON lines where the first character is a
        brace; otherwise CSV with a header, its delimiter the one of comma, semicolon and tab
        that the header holds most of.

    Raises
    ------
    SERError
        If it cannot be read, has no row, or a row does not have the header's columns.
    """
    path = Path(path)
    try:
        text = read_text(path, "utf-8-sig")
    except OSError as error:
        raise SERError(f"Cannot read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise SERError(f"{path} is no UTF-8 text; save the table as UTF-8 CSV.") from error
    rows = _json_lines(path, text) if text.lstrip().startswith("{") else _csv(path, text)
    if not rows.cells:
        raise SERError(f"{path} has no row; expected one for each piece of speech.")
    return rows


def _json_lines(path: Path, text: str) -> Rows:
    cells, lines = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        cells.append(parse_json_line(line, path, number))
        lines.append(number)
    return Rows(path, cells, lines, decimal_comma=False)


def _csv(path: Path, text: str) -> Rows:
    delimiter = delimiter_of(text, DELIMITERS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    cells, lines, columns = [], [], None
    try:
        for row in reader:
            if not any(row):
                continue
            if columns is None:
                columns = [as_said(name.strip()) for name in row]
                if len(set(columns)) < len(columns):
                    raise SERError(f"{path} names a column twice: {', '.join(columns)}.")
            elif len(row) != len(columns):
                raise SERError(
                    f"{path}, line {reader.line_num}: {len(row)} cells where the header has "
                    f"{len(columns)} ({', '.join(columns)})."
                )
            else:
                said = (as_said(cell.strip()) for cell in row)
                cells.append(dict(zip(columns, said, strict=True)))
                lines.append(reader.line_num)
    except csv.Error as error:
        raise SERError(f"{path}, line {reader.line_num}: {error}.") from error
    return Rows(path, cells, lines, decimal_comma=delimiter != ",")

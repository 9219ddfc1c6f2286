"""Label tables: CSV with any delimiter, or JSON lines; compressed or not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ser_brain.core import tables
from ser_brain.core.errors import SERError, nearest


def read_table(path: Path) -> tuple[list[str], dict[int, dict[str, str]]]:
    """Read a table whose cells are all text; see :func:`ser_brain.core.tables.read_table`.

    Returns
    -------
    columns : list of str
    rows : dict
        Line number -> row (column -> cell, stripped; empty where a JSON line lacks it).
    """
    table = tables.read_table(path)
    return table.columns, {
        line: {column: _as_text(row.get(column)) for column in table.columns}
        for line, row in table.rows.items()
    }


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


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else json.dumps(value, ensure_ascii=False)

"""Tables: one model of a table, written as text, Markdown and CSV (LaTeX: ``latex.py``).

A cell is text, a number, None, or an estimate ``{"value", "low", "high"}``, which may also say
that it is the ``best`` of its row and carry ``marks`` that a caption explains. CSV keeps every
digit and spreads an estimate over three columns; the others round to three decimals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ser_brain.csv_text import csv_text
from ser_brain.redaction import one_line

NOTHING = "–"


@dataclass
class Table:
    """A table with its caption.

    Attributes
    ----------
    name : str
        File name without suffix.
    caption : str
    head : list of str
    rows : list of list
        Cells as the module says; as many as ``head`` has.
    detail : str
        What the caption adds for this test set alone; lost where tables are stacked.
    over : list of str
        Headings above ``head``, one per column or none at all; neighbours that are equal share
        one.
    """

    name: str
    caption: str
    head: list[str]
    rows: list[list] = field(default_factory=list)
    detail: str = ""
    over: list[str] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """``over`` and ``head`` in one line."""
        if not self.over:
            return self.head
        return [f"{o} {h}".strip() for o, h in zip(self.over, self.head, strict=True)]


class PValue(float):
    """A number that is written ``<0.001`` where three decimals would say zero."""


def p_value(p: float | None) -> PValue | None:
    """A cell for p."""
    return None if p is None else PValue(p)


def value_text(cell: object) -> str:
    """A cell's value with its marks, without its interval.

    Examples
    --------
    >>> value_text({"value": 0.5, "low": 0.4, "high": 0.6}), value_text(None), value_text(1200)
    ('0.500', '–', '1,200')
    >>> value_text({"value": -0.0001, "low": None, "high": None, "marks": "*"})
    '0.000*'
    >>> value_text(PValue(0.0001))
    '<0.001'
    """
    if isinstance(cell, Mapping):
        return value_text(cell["value"]) + cell.get("marks", "")
    if cell is None:
        return NOTHING
    if isinstance(cell, PValue) and cell < 0.0005:
        return "<0.001"
    if isinstance(cell, float):
        return f"{round(cell, 3) + 0.0:.3f}"  # Adding zero turns -0.0 into 0.0.
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def interval_text(cell: object) -> str:
    """A cell's interval, or nothing where it has none.

    Examples
    --------
    >>> interval_text({"value": 0.5, "low": 0.4, "high": 0.6})
    '[0.400, 0.600]'
    """
    if isinstance(cell, Mapping) and cell["low"] is not None:
        return f"[{cell['low']:.3f}, {cell['high']:.3f}]"
    return ""


def is_best(cell: object) -> bool:
    """Whether a cell is set in bold."""
    return isinstance(cell, Mapping) and cell.get("best", False)


def is_number(cell: object) -> bool:
    """Whether a cell is set to the right."""
    return cell is None or isinstance(cell, Mapping | int | float)


def cell_text(cell: object) -> str:
    """A cell in one line."""
    return f"{value_text(cell)} {interval_text(cell)}".rstrip()


def to_text(table: Table) -> str:
    """An aligned plain-text table for a terminal."""
    lines = [table.titles, *[[cell_text(cell) for cell in row] for row in table.rows]]
    lines = [[*map(one_line, line)] for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def to_markdown(table: Table) -> str:
    """A Markdown table below its caption."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    numeric = [all(is_number(row[i]) for row in table.rows) for i in range(len(table.head))]
    rule = "|" + "|".join("---:" if right else "---" for right in numeric) + "|"
    head = line([_markdown(title) for title in table.titles])
    body = [line([_markdown_cell(cell) for cell in row]) for row in table.rows]
    return "\n".join([_markdown(table.caption), "", head, rule, *body, ""])


def _markdown_cell(cell: object) -> str:
    value = _markdown(value_text(cell))
    if is_best(cell):
        value = f"**{value}**"
    return f"{value} {_markdown(interval_text(cell))}".rstrip()


def _markdown(text: str) -> str:
    for character in "\\|<>&`*_$":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def to_csv(table: Table) -> str:
    """Comma-separated values with full digits; undefined is empty. See ``csv_text.py``."""
    spread = [
        any(isinstance(row[i], Mapping) for row in table.rows) for i in range(len(table.head))
    ]
    head: list[str] = []
    for name, three in zip(table.titles, spread, strict=True):
        head += [name, f"{name} low", f"{name} high"] if three else [name]
    lines = [head]
    for row in table.rows:
        cells: list[object] = []
        for cell, three in zip(row, spread, strict=True):
            if isinstance(cell, Mapping):
                cells += [cell["value"], cell["low"], cell["high"]]
            else:
                cells += [cell, None, None] if three else [cell]
        lines.append(cells)
    return csv_text(lines)


def stack(tables: Mapping[str, Table], first: str) -> Table:
    """Tables with one head as one, told apart by a first column.

    Examples
    --------
    >>> one = Table("t", "", ["n"], [[1]])
    >>> stack({"a": one, "b": one}, "Test set").rows
    [['a', 1], ['b', 1]]
    """
    any_table = next(iter(tables.values()))
    rows = [[name, *row] for name, table in tables.items() for row in table.rows]
    return Table(any_table.name, any_table.caption, [first, *any_table.head], rows)

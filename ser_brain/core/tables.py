"""Tables: one model of a table, written as text, Markdown and CSV (LaTeX: ``latex.py``).

A cell is text, a number, None, or an estimate ``{"value", "low", "high"}``, which may also say
that it is the ``best`` of its row and carry ``marks`` that a caption explains. CSV keeps every
digit and spreads an estimate over three columns; the others round to three decimals.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ser_brain.core.errors import one_line

CRLF = "\r\n"
FORMULA = re.compile(r"'*[=+\-@\t\r]")
SNIFFED = 65536  # characters in which the delimiter shows


def csv_text(rows: Iterable[Sequence]) -> str:
    """Comma-separated lines.

    Parameters
    ----------
    rows : iterable of sequence
        Cells: text, numbers, or None for an empty one.

    Examples
    --------
    >>> csv_text([["=1+1.wav", -0.5, None, "-0.5"]])
    "'=1+1.wav,-0.5,,-0.5\\n"
    """
    text = io.StringIO(newline="")
    # Before Python 3.13 a writer quotes only those line ends that it writes itself.
    writer = csv.writer(text, lineterminator=CRLF)
    lines = []
    for row in rows:
        writer.writerow([_as_text(cell) for cell in row])
        lines.append(text.getvalue().removesuffix(CRLF) + "\n")
        text.seek(text.truncate(0))
    return "".join(lines)


def as_said(cell: str) -> str:
    """What a cell that :func:`csv_text` wrote stands for.

    Examples
    --------
    >>> as_said("'=1+1.wav"), as_said("'quoted'")
    ('=1+1.wav', "'quoted'")
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def delimiter_of(text: str, delimiters: str) -> str:
    """The delimiter that cuts header and first row into as many cells, and the most.

    Where none does so, the one that cuts the header into most.

    Examples
    --------
    >>> delimiter_of("file,a;b;c\\nx.wav,0.5", ",;")
    ','
    """

    def cells(delimiter: str) -> tuple[bool, int]:
        lines = csv.reader(io.StringIO(text[:SNIFFED], newline=""), delimiter=delimiter)
        try:
            header, first = [*itertools.islice(filter(any, lines), 2), [], []][:2]
        except csv.Error:  # whoever reads the whole says where
            return False, 0
        return 1 < len(header) == len(first), len(header)

    return max(delimiters, key=cells)


def _as_text(cell: object) -> object:
    if isinstance(cell, str) and FORMULA.match(cell) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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


ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    # Not in every font and not known to pdfLaTeX by themselves.
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "*": r"\textsuperscript{*}",
    "†": r"\textsuperscript{\textdagger}",
    "‡": r"\textsuperscript{\textdaggerdbl}",
}


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it is.

    Examples
    --------
    >>> print(escape("emo_db & 95 % {x}"))
    emo\_db \& 95 \% \{x\}
    """
    return " ".join("".join(ESCAPES.get(character, character) for character in text).split())


def to_latex(table: Table) -> str:
    r"""A ``table`` environment; needs ``\usepackage{booktabs}``.

    The best cell of a row is bold, an interval stands below its value, and headings ``over``
    others span them.
    """
    columns = "".join(
        "r" if all(is_number(row[i]) for row in table.rows) else "l"
        for i in range(len(table.head))
    )
    lines = [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        f"\\caption{{{escape(f'{table.caption} {table.detail}')}}}",
        f"\\label{{tab:{table.name}}}",
        f"\\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *_heads(table),
        r"\midrule",
    ]
    for row in table.rows:
        lines.append(_line([_value(cell) for cell in row]))
        intervals = [interval_text(cell) for cell in row]
        if any(intervals):
            lines.append(_line([f"{{\\scriptsize {i}}}" if i else "" for i in intervals]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _heads(table: Table) -> list[str]:
    """The line of headings, below that of the headings that span several of them."""
    below = _line([escape(title) for title in table.head])
    if not table.over:
        return [below]
    cells, rules, first = [], [], 1
    for title, group in groupby(table.over):
        count = len(list(group))
        cells.append(f"\\multicolumn{{{count}}}{{c}}{{{escape(title)}}}")
        if title:
            rules.append(f"\\cmidrule(lr){{{first}-{first + count - 1}}}")
        first += count
    return [_line(cells), " ".join(rules), below]


def _value(cell: object) -> str:
    text = escape(value_text(cell))
    return f"\\textbf{{{text}}}" if is_best(cell) else text


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"

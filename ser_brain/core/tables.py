"""Tables: one model of a table, written as text, Markdown, HTML, LaTeX, CSV; and reading CSV.

A cell is text, a number, None, or an estimate ``{"value", "low", "high"}``, which may also be
the ``best`` of its row and carry ``marks`` that the caption explains. CSV keeps every digit and
spreads an estimate over three columns; the others round to three decimals.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import html
import importlib.util
import io
import itertools
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from ser_brain.core.errors import SERError, one_line
from ser_brain.core.files import LFS_MAGIC, open_regular, parse_json_line

NOTHING = "–"


@dataclass
class Table:
    """A table with its caption; a notebook shows it."""

    name: str  # file name without suffix
    caption: str
    head: list[str]
    rows: list[list] = field(default_factory=list)  # of cells, one for each column
    detail: str = ""  # what the caption adds for this test set only
    over: list[str] = field(default_factory=list)  # above ``head``; equal neighbours share one

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold nothing but numbers, and are right-aligned."""
        return [all(is_number(row[i]) for row in self.rows) for i in range(len(self.head))]

    @property
    def titles(self) -> list[str]:
        """``over`` and ``head`` joined."""
        if not self.over:
            return self.head
        return [f"{o} {h}".strip() for o, h in zip(self.over, self.head, strict=True)]

    def __repr__(self) -> str:
        return to_text(self)

    def _repr_html_(self) -> str:
        return to_html(self)


class PValue(float):
    """A number that is written ``<0.001`` where three decimals would show zero."""


def p_value(p: float | None) -> PValue | None:
    """A cell for a p value."""
    return None if p is None else PValue(p)


def value_text(cell: object) -> str:
    """A cell's value with its marks, but without its interval."""
    if isinstance(cell, Mapping):
        return value_text(cell["value"]) + cell.get("marks", "")
    if cell is None:
        return NOTHING
    if isinstance(cell, PValue) and cell < 0.0005:
        return "<0.001"
    if isinstance(cell, float):
        return f"{round(cell, 3) + 0.0:.3f}"  # + 0.0 turns -0.0 into 0.0
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def interval_text(cell: object) -> str:
    """A cell's interval, ``[0.400, 0.600]``; empty where it has none."""
    if isinstance(cell, Mapping) and cell["low"] is not None:
        return f"[{cell['low']:.3f}, {cell['high']:.3f}]"
    return ""


def is_best(cell: object) -> bool:
    """Whether a cell is printed in bold."""
    return isinstance(cell, Mapping) and cell.get("best", False)


def is_number(cell: object) -> bool:
    """Whether a cell is right-aligned."""
    return cell is None or isinstance(cell, Mapping | int | float)


def cell_text(cell: object) -> str:
    """Value and interval of a cell on one line."""
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
    lines = [[_markdown(title) for title in table.titles]]
    lines += [[_markdown_cell(cell) for cell in row] for row in table.rows]
    head, *body = (f"| {' | '.join(cells)} |" for cells in lines)
    rule = "|" + "|".join("---:" if right else "---" for right in table.numeric) + "|"
    return "\n".join([_markdown(table.caption), "", head, rule, *body, ""])


def _markdown_cell(cell: object) -> str:
    bold = "**" if is_best(cell) else ""
    value = f"{bold}{_markdown(value_text(cell))}{bold}"
    return f"{value} {_markdown(interval_text(cell))}".rstrip()


def _markdown(text: str) -> str:
    for character in "\\|<>&`*_$":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def to_html(table: Table) -> str:
    """An HTML table below its caption, for notebooks; a page has ``macros.html``."""
    sides = ["right" if right else "left" for right in table.numeric]

    def line(cells: Iterable[str], tag: str) -> str:
        pairs = zip(cells, sides, strict=True)
        each = (f'<{tag} style="text-align: {side}">{cell}</{tag}>' for cell, side in pairs)
        return f"<tr>{''.join(each)}</tr>"

    head = line(map(html.escape, table.titles), "th")
    body = "".join(line(map(_html_cell, row), "td") for row in table.rows)
    caption = f"<caption>{html.escape(table.caption)}</caption>" if table.caption else ""
    return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"


def _html_cell(cell: object) -> str:
    value, interval = html.escape(value_text(cell)), html.escape(interval_text(cell))
    value = f"<b>{value}</b>" if is_best(cell) else value
    return f"{value} <small>{interval}</small>" if interval else value


def to_csv(table: Table) -> str:
    """Comma-separated values with every digit; None is an empty cell."""
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
    """Join tables that have the same columns; a first column names the table of each row."""
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
    # Characters that pdfLaTeX or the font may lack.
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "*": r"\textsuperscript{*}",
    "†": r"\textsuperscript{\textdagger}",
    "‡": r"\textsuperscript{\textdaggerdbl}",
}


def escape(text: str) -> str:
    """Escape text for LaTeX."""
    return " ".join("".join(ESCAPES.get(character, character) for character in text).split())


def to_latex(table: Table) -> str:
    r"""A ``table`` environment; needs ``\usepackage{booktabs}``.

    The best cell of a row is bold, an interval is below its value, and the headings of ``over``
    span their columns.
    """
    columns = "".join("r" if right else "l" for right in table.numeric)
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
        values = [(escape(value_text(cell)), is_best(cell)) for cell in row]
        lines.append(_line([f"\\textbf{{{text}}}" if best else text for text, best in values]))
        intervals = [interval_text(cell) for cell in row]
        if any(intervals):
            lines.append(_line([f"{{\\scriptsize {i}}}" if i else "" for i in intervals]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _heads(table: Table) -> list[str]:
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


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


CRLF = "\r\n"
FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet would run, and what escapes it


def csv_text(rows: Iterable[Sequence]) -> str:
    """Comma-separated lines of cells: text, numbers, or None for an empty cell.

    Text that a spreadsheet would run as a formula gets an apostrophe before it, which
    :func:`read_table` takes away.
    """
    text = io.StringIO(newline="")
    # Before Python 3.13 the writer quotes a line end only if it is the writer's own.
    writer = csv.writer(text, lineterminator=CRLF)
    lines = []
    for row in rows:
        writer.writerow([f"'{cell}" if _is_formula(cell) else cell for cell in row])
        lines.append(text.getvalue().removesuffix(CRLF) + "\n")
        text.seek(text.truncate(0))
    return "".join(lines)


def _is_formula(cell: object) -> bool:
    if not isinstance(cell, str) or not FORMULA.match(cell):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


DELIMITERS = ",;\t|"
SNIFFED = 65536  # characters from which the delimiter is determined
GZIP = b"\x1f\x8b"

# First bytes of table files that are not text -> what they are, and how to convert them.
NOT_TEXT = {
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save its sheet as CSV",
    LFS_MAGIC: "a git-LFS stub, not the table; fetch it with git lfs pull",
}


@dataclass(frozen=True)
class FileTable:
    """A table as it was read.

    Cells of a CSV file are text; those of JSON lines are of any JSON type, and a row may lack
    columns.
    """

    columns: list[str]
    rows: dict[int, dict]  # line number -> row (column -> cell)
    delimiter: str | None  # of CSV


def read_table(path: str | Path) -> FileTable:
    """Read CSV with a header, JSON lines (an object per row), a workbook or a Parquet file.

    Of a workbook (.xlsx) the first sheet is read. Text is UTF-8, or UTF-16 with a byte order
    mark, and may be compressed by gzip. The delimiter of a CSV file is found among comma,
    semicolon, tab and bar. Text in CSV and in workbooks is stripped; blank lines are skipped.
    """
    path = Path(path)
    content = _content(path)
    for magic, reader in BINARY.items():
        if content.startswith(magic):
            return reader(path, content)
    text = _table_text(path, content)
    if text.lstrip().startswith("{"):
        rows = {
            number: {k.strip(): v for k, v in parse_json_line(line, path, number).items()}
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        }
        return FileTable(list(dict.fromkeys(itertools.chain(*rows.values()))), rows, None)
    delimiter = _delimiter_of(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns, rows = [], {}
    try:
        for line in reader:
            cells = [_unescaped(cell.strip()) for cell in line]
            if not any(cells):
                continue
            if not columns:
                columns = _distinct(cells, path)
            elif len(cells) != len(columns):
                raise SERError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells where the header has "
                    f"{len(columns)} ({', '.join(columns)})."
                )
            else:
                rows[reader.line_num] = dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        raise SERError(f"{path}, line {reader.line_num}: {error}.") from error
    if not columns:
        raise SERError(f"{path} is empty; expected a header line with column names.")
    return FileTable(columns, rows, delimiter)


def _workbook(path: Path, content: bytes) -> FileTable:
    """The first sheet; cells are text, numbers or None."""
    require_package("openpyxl", "xlsx", f"{path} is a workbook (or another zip file)")
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        lines = list(enumerate(book.worksheets[0].iter_rows(values_only=True), start=1))
    except Exception as error:  # of any kind: it is somebody else's parser
        why = f"{type(error).__name__}: {error}"
        raise SERError(f"Cannot read {path} as a workbook ({one_line(why)}).") from error
    kinds = (int, float, bool, type(None))
    filled = []
    for number, line in lines:
        cells = [cell if isinstance(cell, kinds) else str(cell).strip() for cell in line]
        if any(cell not in (None, "") for cell in cells):
            filled.append((number, cells))
    if not filled:
        raise SERError(f"{path} is empty; expected a header line with column names.")
    columns = _distinct(["" if cell is None else str(cell) for cell in filled[0][1]], path)
    rows = {number: dict(zip(columns, cells, strict=False)) for number, cells in filled[1:]}
    return FileTable(columns, rows, None)


def _parquet(path: Path, content: bytes) -> FileTable:
    """All rows, numbered from 1; cells are of any Python type, structures are dictionaries."""
    require_package("pyarrow", "parquet", f"{path} is a Parquet file")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        raise SERError(f"Cannot read {path} as Parquet ({one_line(str(error))}).") from error
    return FileTable(table.column_names, dict(enumerate(table.to_pylist(), start=1)), None)


BINARY = {b"PK\3\4": _workbook, b"PAR1": _parquet}


def _distinct(columns: list[str], path: Path) -> list[str]:
    """The names of a table's columns; an error if two have the same one."""
    named = [column for column in columns if column]
    if len(set(named)) < len(named):
        raise SERError(f"{path} names a column twice: {', '.join(columns)}.")
    return columns


def require_package(package: str, extra: str, why: str) -> None:
    """Stop if an optional package is not installed; say which extra brings it."""
    if importlib.util.find_spec(package) is None:
        raise SERError(f"{why}, which needs {package}: pip install 'ser-recipes[{extra}]'.")


def _content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            content = file.read()
        if content.startswith(GZIP):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise SERError(f"Cannot read {path}: {why}.") from error
    return content


def _table_text(path: Path, content: bytes) -> str:
    for magic, advice in NOT_TEXT.items():
        if content.startswith(magic):
            raise SERError(f"{path} is {advice}.")
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SERError(f"{path}, line {line} is not UTF-8; save the table as UTF-8.") from error
    if "\0" in text:  # Python 3.10's csv reader stops there, later ones do not
        line = text[: text.index("\0")].count("\n") + 1
        raise SERError(f"{path}, line {line} holds a null character; is it a text file?")
    return text


def _delimiter_of(text: str) -> str:
    """The delimiter that cuts header and first row into equally many cells, and the most.

    Where none does, the one that cuts the header into the most.
    """

    def fit(delimiter: str) -> tuple[bool, int]:
        lines = csv.reader(io.StringIO(text[:SNIFFED], newline=""), delimiter=delimiter)
        try:
            filled = (line for line in lines if any(map(str.strip, line)))
            header, first = [*itertools.islice(filled, 2), [], []][:2]
        except csv.Error:  # read_table names the line
            return False, 0
        return 1 < len(header) == len(first), len(header)

    return max(DELIMITERS, key=fit)


def _unescaped(cell: str) -> str:
    """A cell without the apostrophe that :func:`csv_text` put before a formula."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell

"""Cells of CSV files as spreadsheets may read them: text stays text.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and file
names and speakers come from whoever made the corpus. Such a cell gets an apostrophe in front,
which :func:`as_said` takes off again. Numbers are left alone, also where they stand as text.
JSON lines and Parquet need nothing of this.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Sequence

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

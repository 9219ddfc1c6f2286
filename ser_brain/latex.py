r"""Tables for a paper: LaTeX with the rules of the package booktabs."""

from __future__ import annotations

from itertools import groupby

from ser_brain.tables import Table, interval_text, is_best, is_number, value_text

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

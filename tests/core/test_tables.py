"""Tables as text, Markdown, LaTeX and CSV, and CSV that comes back as it was."""

import csv
import gzip
import io

import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.tables import (
    Table,
    cell_text,
    csv_text,
    escape,
    is_best,
    p_value,
    read_table,
    stack,
    to_csv,
    to_latex,
    to_markdown,
    to_text,
    value_text,
)

FORMULAS = ["=1+1.wav", "+a", "-rf", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x","y")']
PLAIN = ["a.wav", "'", "'a'", "a=b", "\n=1", "שלום", "–"]


def cells(text):
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.fixture
def read(tmp_path):
    """Write a table; gives what :func:`read_table` reads."""

    def read(content, name="t.csv"):
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(content)
        return read_table(tmp_path / name)

    return read


def test_no_cell_begins_as_a_formula_and_other_text_is_left_alone(read):
    for text in FORMULAS:
        assert cells(csv_text([[text]])) == [[f"'{text}"]]
        for each in (text, "'" + text):
            found = read(csv_text([["a", "b"], ["x", each]])).rows
            assert list(found.values()) == [{"a": "x", "b": each}]
    for cell in [*PLAIN, -0.5, -1, "-0.5", "+3", "-1e-3", "-inf"]:
        assert cells(csv_text([[cell]])) == [[str(cell)]]


@pytest.mark.parametrize("name", ['a,"b', "a;;;;;b", "two\nlines", "a|||b\t\t\tc", "=1+1"])
def test_any_name_heads_a_column_and_comes_back(read, name):
    """Issue 13, S9: an emotion named ``a,"b`` broke the header."""
    found = read(csv_text([["file", f"p_{name}", name], ["x.wav", 0.5, name]]))
    expected = {"file": "x.wav", f"p_{name}": "0.5", name: name}
    assert found.columns == list(expected) and list(found.rows.values()) == [expected]


@pytest.mark.parametrize(
    "content, delimiter",
    [
        ("a,b\n1.5,x\n", ","),
        ('\n \n"a";b\n1.5;x\n', ";"),
        ("\ufeff a \tb\r\n1.5\t x \r\n\r\n", "\t"),
        ("a|b\n1.5|x".encode("utf-16"), "|"),
        (gzip.compress(b"a,b\n1.5,x\n", mtime=0), ","),
        ('\n{"a": "1.5", "b ": "x"}', None),
    ],
)
def test_tables_in_every_form(read, content, delimiter):
    found = read(content)
    assert (found.columns, found.delimiter) == (["a", "b"], delimiter)
    assert list(found.rows.values()) == [{"a": "1.5", "b": "x"}]


def test_rows_keep_their_line_numbers(read):
    assert read('a,b\n\n"x\ny",2\n , \n3,4\n').rows == {
        4: {"a": "x\ny", "b": "2"},
        6: {"a": "3", "b": "4"},
    }
    found = read('{"a": 1}\n\n{"b": [2]}\n')
    assert (found.columns, found.rows) == (["a", "b"], {1: {"a": 1}, 3: {"b": [2]}})


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "is empty; expected a header line"),
        ("a,b\n1\n", r"line 2: 1 cells where the header has 2 \(a, b\)"),
        ("a,a\n1,2\n", "names a column twice: a, a"),
        ('{"a": 1}\n[1]\n', "line 2: expected a JSON object"),
        ('{"a": 1}\n{"a": \n', "line 2: not JSON"),
        ("a,b\n" + "1" * 200_000 + ",2\n", "line 2: field larger"),
        (b"a,b\n\xe4,1\n", "line 2 is not UTF-8; save the table as UTF-8"),
        ("a,b\n1,\0\n", "line 2 holds a null character"),
        (b"PK\3\4...", r"is a workbook \(or another zip file\), which needs|as a workbook"),
        (b"\xd0\xcf\x11\xe0...", "is an old Excel workbook; save its sheet as CSV"),
        (b"version https://git-lfs", "is a git-LFS stub"),
        (gzip.compress(b"a,b\n", mtime=0)[:-3], "Cannot read .*: Compressed file ended"),
    ],
)
def test_files_that_are_not_tables(read, content, message):
    with pytest.raises(SERError, match=message):
        read(content)


def test_workbooks_are_read_like_csv(tmp_path):
    book = pytest.importorskip("openpyxl").Workbook()
    for line in ([" a", "b", None], [" ", None, None], [" x ", 1.5, None]):
        book.active.append(line)
    book.save(tmp_path / "t.xlsx")
    found = read_table(tmp_path / "t.xlsx")
    assert found.columns == ["a", "b", ""]
    assert found.rows == {3: {"a": "x", "b": 1.5, "": None}}
    book.active["B1"] = "a "
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(SERError, match="names a column twice: a, a"):
        read_table(tmp_path / "t.xlsx")


BEST = {"value": 0.5, "low": 0.4, "high": 0.6, "best": True, "marks": "*"}
UNSURE = {"value": 0.25, "low": None, "high": None}


def test_latex():
    table = Table(
        "t",
        "95 % of a_b.",
        ["Set", "WA", "F1", "WA"],
        [["emo_db", BEST, UNSURE, None], ["x‡", UNSURE, UNSURE, 1200]],
        over=["", "one & two", "one & two", "b"],
    )
    assert to_latex(table).splitlines() == [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        r"\caption{95 \% of a\_b.}",
        r"\label{tab:t}",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"\multicolumn{1}{c}{} & \multicolumn{2}{c}{one \& two} & \multicolumn{1}{c}{b} \\",
        r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}",
        r"Set & WA & F1 & WA \\",
        r"\midrule",
        r"emo\_db & \textbf{0.500\textsuperscript{*}} & 0.250 & -- \\",
        r" & {\scriptsize [0.400, 0.600]} &  &  \\",
        r"x\textsuperscript{\textdaggerdbl} & 0.250 & 0.250 & 1,200 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_latex_is_escaped_and_needs_no_headings_over_others():
    lines = to_latex(Table("t", "c", ["a"], [[-0.5]])).splitlines()
    assert lines[7:9] == [r"a \\", r"\midrule"]
    assert escape("a\\b{c}$d^e~f#g&h\n%i_j<k>") == (
        r"a\textbackslash{}b\{c\}\$d\textasciicircum{}e\textasciitilde{}f\#g\&h \%i\_j"
        r"\textless{}k\textgreater{}"
    )
    assert escape("B − A × 2 – 3") == r"B $-$ A $\times$ 2 -- 3"


ESTIMATE = {"value": 0.123456, "low": 0.1, "high": 0.2}
ROWS = [["a,b", ESTIMATE, 1200], ["c", None, 3]]
TABLE = Table("t", "A | caption.", ["Name", "UAR", "n"], ROWS, detail="47 of 50.")


def test_text_markdown_and_csv():
    assert to_text(TABLE).splitlines() == [
        "Name  UAR                   n",
        "----  --------------------  -----",
        "a,b   0.123 [0.100, 0.200]  1,200",
        "c     –                     3",
    ]

    assert to_markdown(TABLE).splitlines() == [
        r"A \| caption.",
        "",
        "| Name | UAR | n |",
        "|---|---:|---:|",
        "| a,b | 0.123 [0.100, 0.200] | 1,200 |",
        "| c | – | 3 |",
    ]

    hostile = Table("t", "", ["a"], [["<b>|`x`\n\n# y"]])
    assert to_markdown(hostile).splitlines()[-1] == r"| \<b\>\|\`x\` # y |"
    assert cells(to_csv(TABLE)) == [
        ["Name", "UAR", "UAR low", "UAR high", "n"],
        ["a,b", "0.123456", "0.1", "0.2", "1200"],
        ["c", "", "", "", "3"],
    ]
    assert to_csv(Table("t", "", ["@file"], [["=a"], [-0.5]])) == "'@file\n'=a\n-0.5\n"


def test_stacking_keeps_what_holds_for_all():
    whole = stack({"x": TABLE, "y": TABLE}, "Test set")
    assert whole.head == ["Test set", *TABLE.head]
    assert [row[0] for row in whole.rows] == ["x", "x", "y", "y"]
    assert whole.detail == ""


def test_the_best_of_a_row_is_bold_and_marked():
    best = {**ESTIMATE, "best": True, "marks": "*†"}
    assert is_best(best) and not is_best(ESTIMATE) and not is_best("best")
    table = Table("t", "", ["a", "b"], [[best, ESTIMATE]])
    assert to_markdown(table).splitlines()[-1] == (
        r"| **0.123\*†** [0.100, 0.200] | 0.123 [0.100, 0.200] |"
    )
    assert cell_text(best) == "0.123*† [0.100, 0.200]"
    assert to_csv(table).splitlines()[1] == "0.123456,0.1,0.2,0.123456,0.1,0.2"


def test_headings_over_others():
    table = Table("t", "", ["Set", "WA", "WA"], [["x", ESTIMATE, 1]], over=["", "m", "n"])
    assert to_text(table).splitlines()[0].split() == ["Set", "m", "WA", "n", "WA"]
    assert "| Set | m WA | n WA |" in to_markdown(table)
    assert to_csv(table).splitlines()[0] == "Set,m WA,m WA low,m WA high,n WA"


def test_small_numbers():
    values = [value_text(p_value(p)) for p in (0.0004, 0.0006, 1.0)]
    assert values == ["<0.001", "0.001", "1.000"]
    assert p_value(None) is None
    assert value_text(-0.0001) == "0.000" and value_text(-0.001) == "-0.001"
    assert to_csv(Table("t", "", ["p"], [[p_value(0.0004)]])) == "p\n0.0004\n"

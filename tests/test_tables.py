import csv
import io

from ser_brain.tables import (
    Table,
    cell_text,
    is_best,
    p_value,
    stack,
    to_csv,
    to_markdown,
    to_text,
    value_text,
)

ESTIMATE = {"value": 0.123456, "low": 0.1, "high": 0.2}
TABLE = Table(
    "t", "A | caption.", ["Name", "UAR", "n"], [["a,b", ESTIMATE, 1200], ["c", None, 3]]
)


def test_text_is_aligned():
    assert to_text(TABLE).splitlines() == [
        "Name  UAR                   n",
        "----  --------------------  -----",
        "a,b   0.123 [0.100, 0.200]  1,200",
        "c     –                     3",
    ]


def test_markdown():
    assert to_markdown(TABLE).splitlines() == [
        r"A \| caption.",
        "",
        "| Name | UAR | n |",
        "|---|---:|---:|",
        "| a,b | 0.123 [0.100, 0.200] | 1,200 |",
        "| c | – | 3 |",
    ]


def test_markdown_escapes_what_it_would_read():
    hostile = Table("t", "", ["a"], [["<b>|`x`\n\n# y"]])
    assert to_markdown(hostile).splitlines()[-1] == r"| \<b\>\|\`x\` # y |"


def test_csv_keeps_every_digit():
    rows = list(csv.reader(io.StringIO(to_csv(TABLE))))
    assert rows[0] == ["Name", "UAR", "UAR low", "UAR high", "n"]
    assert rows[1] == ["a,b", "0.123456", "0.1", "0.2", "1200"]
    assert rows[2] == ["c", "", "", "", "3"]


def test_stacking_keeps_what_holds_for_all():
    TABLE.detail = "47 of 50."
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
    assert [value_text(p_value(p)) for p in (0.0004, 0.0006, 1.0)] == [
        "<0.001",
        "0.001",
        "1.000",
    ]
    assert p_value(None) is None
    assert value_text(-0.0001) == "0.000" and value_text(-0.001) == "-0.001"
    assert to_csv(Table("t", "", ["p"], [[p_value(0.0004)]])) == "p\n0.0004\n"

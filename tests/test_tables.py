import csv
import io

from ser_brain.tables import Table, stack, to_csv, to_markdown, to_text

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

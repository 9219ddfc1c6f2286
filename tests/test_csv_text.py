"""Text of CSV files that a spreadsheet does not run, and that comes back as it was."""

import csv
import io

import pytest

from data_prep._csv import read_table
from ser_brain.csv_text import as_said, csv_text
from ser_brain.mood.rows import read_rows
from ser_brain.tables import Table, to_csv

FORMULAS = ["=1+1.wav", "+a", "-rf", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x","y")']
PLAIN = ["a.wav", "", "'", "'a'", "a=b", "\n=1", "שלום", "–"]


def read(text):
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", [*FORMULAS, *["'" + f for f in FORMULAS], *PLAIN])
def test_text_comes_back_as_it_was(text):
    ((cell,),) = read(csv_text([[text]])) or [[""]]
    assert as_said(cell) == text


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_begins_as_a_formula(text):
    assert read(csv_text([[text]])) == [[f"'{text}"]]


@pytest.mark.parametrize("text", PLAIN[2:])
def test_other_text_is_left_alone(text):
    assert read(csv_text([[text]])) == [[text]]


@pytest.mark.parametrize("number", [-0.5, -1, "-0.5", "+3", "-1e-3", "-inf"])
def test_numbers_stay_numbers(number):
    assert read(csv_text([[number]])) == [[str(number)]]


def test_tables_are_written_so():
    table = Table("t", "", ["@file", "x"], [["=a", {"value": -0.5, "low": -1.0, "high": 0.0}]])
    assert to_csv(table) == "'@file,x,x low,x high\n'=a,-0.5,-1.0,0.0\n"


def test_mood_reads_what_was_written(tmp_path):
    rows = [["file", "speaker", "valence"], ["=1+1.wav", "-x", -0.5]]
    (tmp_path / "t.csv").write_text(csv_text(rows), encoding="utf-8")
    found = read_rows(tmp_path / "t.csv")
    assert found.cells == [{"file": "=1+1.wav", "speaker": "-x", "valence": "-0.5"}]
    assert found.numbers("valence").tolist() == [-0.5]


@pytest.mark.parametrize("name", ['a,"b', "a;;;;;b", "two\nlines", "a|||b\t\t\tc", "=1+1"])
def test_any_name_heads_a_column_and_comes_back(tmp_path, name):
    """Issue 13, S9: an emotion named ``a,"b`` broke the header."""
    rows = [["file", f"p_{name}", name], ["x.wav", 0.5, name]]
    (tmp_path / "t.csv").write_text(csv_text(rows), encoding="utf-8", newline="")
    expected = {"file": "x.wav", f"p_{name}": "0.5", name: name}
    assert read_rows(tmp_path / "t.csv").cells == [expected]
    columns, found = read_table(tmp_path / "t.csv")
    assert columns == list(expected) and list(found.values()) == [expected]

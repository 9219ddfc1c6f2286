import pytest

from ser_brain.errors import SERError
from ser_brain.mood.rows import read_rows


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1.5,x\n",
        "\ufeffa;b\n1,5;x\n",
        " a \tb\r\n1.5\t x \r\n\r\n",
        '{"a": 1.5, "b": "x"}\n\n',
        '\n{"a": "1.5", "b": "x"}',
        'a,b\n"1.5",x\n',
    ],
)
def test_tables_as_they_are_found(tmp_path, text):
    rows = read_rows(written(tmp_path, text))
    assert rows.numbers("a").tolist() == [1.5]
    assert rows.cells[0]["b"] == "x"


def test_a_decimal_comma_is_none_where_commas_divide(tmp_path):
    rows = read_rows(written(tmp_path, 'a,b\n"1,5",x\n'))
    with pytest.raises(SERError, match="t.csv, line 2: a is '1,5'; expected a number"):
        rows.numbers("a")


@pytest.mark.parametrize("cell", ["", "nan", "inf", "-", "1e999", "null"])
def test_what_is_no_number(tmp_path, cell):
    rows = read_rows(written(tmp_path, f"id,a\nu1,1\n\nu2,{cell}\n"))
    with pytest.raises(SERError, match=r"line 4 \(id u2\): a is .*; expected a number. Mend"):
        rows.numbers("a")


@pytest.mark.parametrize("cell", ["null", "true", "[1]", "NaN", '"x"'])
def test_what_is_no_number_in_json(tmp_path, cell):
    rows = read_rows(written(tmp_path, f'{{"a": 1}}\n{{"a": {cell}}}\n'))
    with pytest.raises(SERError, match="line 2: a is "):
        rows.numbers("a")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "has no row"),
        ("a,b\n", "has no row"),
        ("a,b\n1\n", r"line 2: 1 cells where the header has 2 \(a, b\)"),
        ("a,a\n1,2\n", "names a column twice: a, a"),
        ('{"a": 1}\n[1]\n', "line 2: expected a JSON object"),
        ('{"a": 1}\n{"a": \n', "line 2: no JSON"),
        ("a,b\n" + "1" * 200_000 + ",2\n", "line 2: field larger"),
    ],
)
def test_tables_that_are_none(tmp_path, text, message):
    with pytest.raises(SERError, match=message):
        read_rows(written(tmp_path, text))


def test_files_that_are_no_text(tmp_path):
    with pytest.raises(SERError, match="is no UTF-8 text; save the table as UTF-8 CSV"):
        read_rows(written(tmp_path, "a,b\n1,2\n", "utf-16"))
    with pytest.raises(SERError, match="Cannot read .*absent.csv: No such file"):
        read_rows(tmp_path / "absent.csv")
    with pytest.raises(SERError, match="Is a directory"):
        read_rows(tmp_path)


def test_some_of_the_rows(tmp_path):
    rows = read_rows(written(tmp_path, "id,a\nx,1\ny,2\nz,3\n")).chosen([0, 2])
    assert rows.numbers("a").tolist() == [1, 3]
    assert rows.where(1) == "t.csv, line 4 (id z)"
    assert rows.has("a") and not rows.has("b")

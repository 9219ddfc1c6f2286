"""."""

import numpy as np
import pytest

from ser_brain.analysis.mood.table import (
    is_neutral,
    points,
    probabilities,
    prototype_points,
    read_rows,
)
from ser_brain.core.errors import SERError
from ser_brain.data.labels import prototype


def test_points_are_brought_to_one_scale(table):
    va_N2, notes = points(read_rows(table(2, valence=[1, 5], arousal=[3, 4])), (1, 5))
    assert va_N2.tolist() == [[-1, 0], [1, 0.5]]
    assert notes == ["Points are the model's valence and arousal, scale 1 to 5."]


def test_what_raters_said_is_never_taken_for_a_prediction(table):
    rows = read_rows(
        table(
            valence=5, arousal=5, predicted_valence=0.5, predicted_arousal=-0.5, suffix="jsonl"
        )
    )
    va_N2, notes = points(rows, (-1, 1))
    assert va_N2.tolist() == [[0.5, -0.5]] * 4
    assert "predicted_valence and predicted_arousal" in notes[0]
    says = {"anger": float(np.log(0.5)), "neutral": float(np.log(0.5))}
    assert points(read_rows(table(suffix="jsonl", log_probabilities=says)), (-1, 1)) is None


def test_a_little_outside_the_scale_is_kept_and_said(table):
    va_N2, notes = points(read_rows(table(2, valence=[5.2, 3], arousal=3)), (1, 5))
    assert va_N2[0, 0] == pytest.approx(1.1)
    assert notes[1] == "Points just outside the scale, kept as they are: 1."


@pytest.mark.parametrize(
    "changes, va_range, message",
    [
        ({"valence": [0.1, 3.0]}, (-1, 1), r"line 3 \(id b\): valence is 3, far outside .*1 5"),
        ({"arousal": [0.5, 3.0]}, (1, 5), r"line 2 \(id a\): arousal is 0.5, far outside"),
        ({"arousal": None}, (-1, 1), "has valence but no arousal; expected both"),
        ({"valence": [0.1, "nan"]}, (-1, 1), r"line 3 \(id b\): valence is 'nan'"),
        ({}, (1, -1), "Bad --va_range 1 -1; expected LOW below HIGH"),
    ],
)
def test_points_that_cannot_be(table, changes, va_range, message):
    columns = {"valence": 2.0, "arousal": 2.0} if va_range == (1, 5) else {}
    with pytest.raises(SERError, match=message):
        points(read_rows(table(2, **{**columns, "id": ["a", "b"], **changes})), va_range)


@pytest.mark.parametrize(
    "columns",
    [
        {"p_anger": 0.25, "p_neutral": 0.75},
        {"probabilities": {"anger": 0.25, "neutral": 0.75}, "suffix": "jsonl"},
        {
            "log_probabilities": {"anger": np.log(0.25), "neutral": np.log(0.75)},
            "suffix": "jsonl",
        },
        {"p_anger": 0.26, "p_neutral": 0.78},  # Rounded; scaled to one.
    ],
)
def test_probabilities_in_every_form(table, columns):
    classes, probs_NC = probabilities(read_rows(table(3, **columns)))
    assert classes == ["anger", "neutral"]
    assert probs_NC == pytest.approx(np.array([[0.25, 0.75]] * 3))
    assert is_neutral(classes, probs_NC).all()


@pytest.mark.parametrize(
    "columns, message",
    [
        ({"p_angr": 1.0}, "Bad class in anna.csv 'angr'; expected one of: anger"),
        ({"p_anger": 0.5, "p_neutral": 0.2}, "line 2: class probabilities sum to 0.7"),
        ({"p_anger": 1.5, "p_neutral": -0.5}, "sum to 1 or one is negative"),
        ({"p_anger": ["0.5", ""], "p_neutral": 0.5}, "line 3: p_anger is empty"),
    ],
)
def test_probabilities_that_cannot_be(table, columns, message):
    with pytest.raises(SERError, match=message):
        probabilities(read_rows(table(2, **columns)))


def test_classes_that_change_from_row_to_row(table):
    cells = [{"anger": 0.0}, {"neutral": 0.0}]
    rows = read_rows(table(2, suffix="jsonl", log_probabilities=cells))
    with pytest.raises(SERError, match="line 2: log_probabilities is not the same set"):
        probabilities(rows)


def test_no_probabilities(table):
    assert probabilities(read_rows(table())) is None


def test_points_from_prototypes():
    anger = prototype("anger")
    va_N2, notes = prototype_points(
        ["anger", "neutral"], np.array([[1.0, 0], [0.5, 0.5], [0, 1]])
    )
    expected = np.outer([1, 0.5, 0], [anger["valence"], anger["arousal"]])
    assert va_N2 == pytest.approx(expected)
    assert "no valence and arousal: points are the places of the classes" in notes[0]
    with pytest.raises(SERError, match="Class 'other' has no place on the circumplex"):
        prototype_points(["anger", "other"], np.ones((1, 2)) / 2)


def test_neutral_is_what_is_most_probable():
    probs_NC = np.array([[0.4, 0.6], [0.6, 0.4]])
    assert is_neutral(["anger", "neutral"], probs_NC).tolist() == [True, False]
    assert is_neutral(["anger", "sadness"], probs_NC) is None


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
        ("", "is empty; expected a header"),
        ("a,b\n", "has no row"),
        ("a,b\n1\n", r"line 2: 1 cells where the header has 2 \(a, b\)"),
        ("a,a\n1,2\n", "names a column twice: a, a"),
        ('{"a": 1}\n[1]\n', "line 2: expected a JSON object"),
        ('{"a": 1}\n{"a": \n', "line 2: not JSON"),
        ("a,b\n" + "1" * 200_000 + ",2\n", "line 2: field larger"),
    ],
)
def test_tables_that_are_none(tmp_path, text, message):
    with pytest.raises(SERError, match=message):
        read_rows(written(tmp_path, text))


def test_files_that_are_no_text(tmp_path):
    with pytest.raises(SERError, match="line 1 is not UTF-8; save the table as UTF-8"):
        read_rows(written(tmp_path, "\u00e4,b\n1,2\n", "latin-1"))
    with pytest.raises(SERError, match="Cannot read .*absent.csv: No such file"):
        read_rows(tmp_path / "absent.csv")
    with pytest.raises(SERError, match="Is a directory"):
        read_rows(tmp_path)


def test_some_of_the_rows(tmp_path):
    rows = read_rows(written(tmp_path, "id,a\nx,1\ny,2\nz,3\n")).chosen([0, 2])
    assert rows.numbers("a").tolist() == [1, 3]
    assert rows.where(1) == "t.csv, line 4 (id z)"
    assert rows.has("a") and not rows.has("b")

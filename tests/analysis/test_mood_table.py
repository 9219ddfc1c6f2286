"""Rows, points and probabilities of a table."""

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


def test_ratings_are_never_taken_for_predictions(table):
    predicted = {"predicted_valence": 0.5, "predicted_arousal": -0.5}
    rows = read_rows(table(valence=5, arousal=5, suffix="jsonl", **predicted))
    va_N2, notes = points(rows, (-1, 1))
    assert va_N2.tolist() == [[0.5, -0.5]] * 4
    assert "predicted_valence and predicted_arousal" in notes[0]
    says = {"anger": float(np.log(0.5)), "neutral": float(np.log(0.5))}
    assert points(read_rows(table(suffix="jsonl", log_probabilities=says)), (-1, 1)) is None


def test_points_slightly_outside_the_scale_are_kept_with_a_note(table):
    va_N2, notes = points(read_rows(table(2, valence=[5.2, 3], arousal=3)), (1, 5))
    assert va_N2[0, 0] == pytest.approx(1.1)
    assert notes[1] == "Points slightly outside the scale, kept unchanged: 1."


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
def test_bad_points(table, changes, va_range, message):
    columns = {"valence": 2.0, "arousal": 2.0} if va_range == (1, 5) else {}
    with pytest.raises(SERError, match=message):
        points(read_rows(table(2, **{**columns, "id": ["a", "b"], **changes})), va_range)


LOG = np.log([0.25, 0.75]).tolist()


@pytest.mark.parametrize(
    "columns",
    [
        {"p_anger": 0.25, "p_neutral": 0.75},
        {"probabilities": {"anger": 0.25, "neutral": 0.75}, "suffix": "jsonl"},
        {"log_probabilities": {"anger": LOG[0], "neutral": LOG[1]}, "suffix": "jsonl"},
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
        ({"p_anger": 0.5, "p_neutral": 0.2}, "line 2: class probabilities sum to 0.7"),
        ({"p_anger": 1.5, "p_neutral": -0.5}, "sum to 1 or one is negative"),
        ({"p_anger": ["0.5", ""], "p_neutral": 0.5}, "line 3: p_anger is empty"),
    ],
)
def test_bad_probabilities(table, columns, message):
    with pytest.raises(SERError, match=message):
        probabilities(read_rows(table(2, **columns)))


def test_classes_that_change_from_row_to_row(table):
    assert probabilities(read_rows(table())) is None
    cells = [{"anger": 0.0}, {"neutral": 0.0}]
    rows = read_rows(table(2, suffix="jsonl", log_probabilities=cells))
    with pytest.raises(SERError, match="line 2: log_probabilities has other classes"):
        probabilities(rows)


def test_points_from_prototypes():
    anger = prototype("anger")
    va_N2, notes = prototype_points(
        ["anger", "neutral"], np.array([[1.0, 0], [0.5, 0.5], [0, 1]])
    )
    expected = np.outer([1, 0.5, 0], [anger["valence"], anger["arousal"]])
    assert va_N2 == pytest.approx(expected)
    assert "no valence and arousal: points are the places of the classes" in notes[0]
    for name in ("other", "interest"):
        with pytest.raises(SERError, match=f"Class '{name}' has no place on the circumplex"):
            prototype_points(["anger", name], np.ones((1, 2)) / 2)


def test_neutral_is_the_most_probable_class():
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


def test_a_decimal_comma_is_refused_where_commas_delimit(tmp_path):
    rows = read_rows(written(tmp_path, 'a,b\n"1,5",x\n'))
    with pytest.raises(SERError, match="t.csv, line 2: a is '1,5'; expected a number"):
        rows.numbers("a")


CELLS = ["", "nan", "inf", "-", "1e999", "null"]
JSON_VALUES = ["null", "true", "[1]", "NaN", '"x"']


@pytest.mark.parametrize(
    "text",
    [f"id,a\nu1,1\n\nu2,{cell}\n" for cell in CELLS]
    + [f'{{"a": 1}}\n\n\n{{"id": "u2", "a": {value}}}\n' for value in JSON_VALUES],
)
def test_cells_that_are_no_number(tmp_path, text):
    rows = read_rows(written(tmp_path, text))
    message = r"line 4 \(id u2\): a is .*; expected a number. Correct or remove the row"
    with pytest.raises(SERError, match=message):
        rows.numbers("a")


def test_tables_without_rows_and_unreadable_ones(tmp_path):
    """The others are refused by core.tables.read_table."""
    with pytest.raises(SERError, match="has no rows; expected one for each piece of speech"):
        read_rows(written(tmp_path, "a,b\n"))
    with pytest.raises(SERError, match="Cannot read .*absent.csv: No such file"):
        read_rows(tmp_path / "absent.csv")


def test_some_of_the_rows(tmp_path):
    rows = read_rows(written(tmp_path, "id,a\nx,1\ny,2\nz,3\n")).take([0, 2])
    assert rows.numbers("a").tolist() == [1, 3]
    assert rows.where(1) == "t.csv, line 4 (id z)"
    assert rows.has("a") and not rows.has("b")

import fake_run
import pytest
from test_crosscorpus import run_of

from ser_brain.crosscorpus import cross
from ser_brain.crosscorpus_legend import legend, on_bold, protocols, warnings
from ser_brain.crosscorpus_tables import by_metric, long, to_lines, wide
from ser_brain.runs import read_run
from ser_brain.tables import to_csv, value_text


@pytest.fixture
def matrix(tmp_path):
    """Three models; ``seen`` was trained on y, ``poor`` did not predict z."""
    runs = [
        run_of(
            tmp_path / "good", {n: (0.8, {}) for n in "xy"} | {"z": (1, {"synthetic": True})}
        ),
        run_of(tmp_path / "poor", {n: (0.3, {"protocol": "p/2"}) for n in "xy"}),
        run_of(tmp_path / "seen", {"x": (0.8, {}), "y": (1, {"role": "train"}), "z": (1, {})}),
    ]
    return cross(runs, 10)


def test_the_wide_table(matrix):
    (table,) = wide(matrix)
    assert table.name == "crosscorpus_emotions"
    assert table.over == ["", "", *["good"] * 3, *["poor"] * 3, *["seen"] * 3]
    assert table.head == ["Test set", "Chance", *["WA", "UAR", "Macro F1"] * 3]
    x, y, z = table.rows
    assert x[:2] == ["x", 0.25] and z[0] == "z‡"
    assert x[3]["best"] and x[9]["best"] and not x[6]["best"]
    assert [value_text(cell)[5:] for cell in (x[5], x[6], x[7])] == ["", "*", ""]
    assert value_text(y[9]) == "1.000†" and not y[9]["best"]
    assert z[5:8] == [None] * 3
    assert table.caption == (
        "Models on test sets, with 95 % intervals. Bold: best of a row. * differs from good in "
        "UAR (p < 0.05; whole speakers swapped; 4 tests, Holm's correction). † trained on "
        "utterances of this set; neither bold nor tested. ‡ synthetic speech: it says nothing "
        "about accuracy on people. Protocols: good, seen: "
        "fake/speaker-5fold/intended/4-class/seed 1; poor: p/2."
    )


def test_one_metric(matrix):
    table = by_metric(matrix, "uar")
    assert table.head == ["Test set", "Chance", "good", "poor", "seen", "Best"]
    assert [row[-1] for row in table.rows] == ["good, seen", "good", "good, seen"]
    assert table.rows[2][3] is None


def test_the_long_table_has_everything(matrix):
    table = long(matrix)
    assert len(table.rows) == 8 * 3
    lines = to_csv(table).splitlines()
    assert lines[0].startswith("Test set,Model,Protocol,Role,Synthetic,")
    assert lines[0].endswith(
        "Best,Difference to first model,Difference to first model low,"
        "Difference to first model high,p,p (Holm)"
    )
    (row,) = [row for row in table.rows if row[:2] == ["x", "poor"] and row[8] == "UAR"]
    assert row[-2:] == [2 / 4096, 8 / 4096] and row[7] == 0.25


def test_valence_and_arousal_have_a_table_of_their_own(tmp_path):
    for name, kind in (("m", "multiobjective"), ("r", "regression")):
        fake_run.write(tmp_path / name, "x", fake_run.rows(40, kind), experiment=name)
    matrix = cross([read_run(tmp_path / name) for name in "mr"], 5)
    emotions, values = wide(matrix)
    assert emotions.over == ["", "", "m", "m", "m"]
    assert values.head == ["Test set", *["CCC valence", "CCC arousal"] * 2]
    assert by_metric(matrix, "valence ccc").head == ["Test set", "m", "r", "Best"]
    assert "No model differs from m in CCC valence, CCC arousal (p < 0.05" in values.caption
    assert protocols(matrix) == "Protocol: fake/speaker-5fold/intended/4-class/seed 1."


def test_one_model_has_no_rival(tmp_path):
    matrix = cross([run_of(tmp_path / "m", {"x": (0.5, {})})], 5)
    assert by_metric(matrix, "wa").head == ["Test set", "Chance", "m"]
    assert on_bold(matrix) == "" and legend(matrix) == [protocols(matrix)]


def test_warnings(tmp_path):
    rows = fake_run.rows(30, "classification", speakers=3)
    fake_run.write(tmp_path / "a", "x", rows, experiment="a")
    fake_run.write(tmp_path / "b", "x", rows[:-1], experiment="b")
    assert warnings(cross([read_run(tmp_path / n) for n in "ab"], 5)) == [
        "x: not the same utterances for all models, so none is best.",
        "x: Only 3 speakers, too few to say how far the numbers would move with others: no "
        "interval is given.",
        "x: Only 3 speakers: p cannot fall below 0.25, so no difference can reach .05.",
    ]


def test_the_text(matrix):
    said = to_lines(matrix)
    assert said.startswith("WA, with 95 % intervals.\n\nTest set  Chance  good ")
    assert "Bold" not in said and "* differs from good in UAR" in said

"""The tables and heat maps of a cross-corpus matrix."""

import csv

import pytest

from ser_brain.core.files import read_json
from ser_brain.core.tables import to_csv, value_text
from ser_brain.evaluation.crosscorpus import cross
from ser_brain.reporting.crosscorpus import (
    by_metric,
    legend,
    long,
    on_bold,
    protocols,
    to_lines,
    warnings,
    wide,
    write_matrix,
)
from tests import fake_run
from tests.evaluation.test_crosscorpus import of_kind, run_of, runs_of
from tests.reporting.test_plots import FILES

PROTOCOL = f"Protocol: {fake_run.card()['protocol']}."


@pytest.fixture
def matrix(tmp_path):
    kinds = {"m_1": "multiobjective", "r": "regression", "c": "classification"}
    return cross(runs_of(tmp_path, **{n: of_kind(kind) for n, kind in kinds.items()}), 5)


def test_what_is_written(tmp_path, matrix):
    out = tmp_path / "out"
    drawn = write_matrix(out, matrix)
    assert drawn == {
        "crosscorpus_emotions": ["uar"],
        "crosscorpus_values": ["valence ccc", "arousal ccc"],
    }
    figures = {f"{name}{suffix}" for name in drawn for suffix in FILES}
    tables = {f"crosscorpus.{suffix}" for suffix in ("json", "csv", "md", "tex")}
    assert {path.name for path in out.iterdir()} == figures | tables
    assert read_json(out / "crosscorpus.json", "matrix") == matrix
    latex = (out / "crosscorpus.tex").read_text(encoding="utf-8")
    assert latex.count(r"\begin{table}") == 2 and r"m\_1" in latex
    with open(out / "crosscorpus.csv", newline="", encoding="utf-8") as file:
        (uar,) = [r for r in csv.DictReader(file) if r["Metric"] == "UAR" and r["Model"] == "c"]
    cell = matrix["test_sets"]["x"]["cells"]["c"]
    assert float(uar["Value"]) == cell["metrics"]["uar"]["value"]


def test_valence_and_arousal_have_tables_and_maps_of_their_own(tmp_path, matrix, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "ser_brain.reporting.crosscorpus.heat_map",
        lambda stem, cells, *facts: drawn.update({stem.name: (list(cells), *facts)}),
    )
    write_matrix(tmp_path, matrix)
    *facts, _, subtitle = drawn["crosscorpus_emotions"]
    assert facts == [["UAR"], ["x\nchance 0.250"], ["m_1", "c"], [0.25]]
    assert subtitle.startswith("White: chance or below; darkest: 1. Bold: best of a row.")
    assert subtitle.endswith(PROTOCOL)
    facts = drawn["crosscorpus_values"]
    assert facts[:4] == (["CCC valence", "CCC arousal"], ["x"], ["m_1", "r"], [0.0])
    emotions, values = wide(matrix)
    assert emotions.over == ["", "", *["m_1"] * 3, *["c"] * 3]
    assert values.head == ["Test set", *["CCC valence", "CCC arousal"] * 2]
    assert by_metric(matrix, "valence ccc").head == ["Test set", "m_1", "r", "c", "Highest"]
    assert "No model differs from m_1 in CCC valence, CCC arousal, UAR (p" in values.caption
    assert protocols(matrix) == PROTOCOL


@pytest.fixture
def models(tmp_path):
    """Three models; ``seen`` was trained on y, ``poor`` did not predict z."""
    synthetic = {"z": (1, {"synthetic": True})}
    sets = {
        "good": {n: (0.8, {}) for n in "xy"} | synthetic,
        "poor": {n: (0.3, {"protocol": "p/2"}) for n in "xy"},
        "seen": {"x": (0.8, {}), "y": (1, {"role": "train"}), "z": (1, {})},
    }
    return cross([run_of(tmp_path / name, each) for name, each in sets.items()], 10)


def test_marks_and_bold(models):
    (table,) = wide(models)
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
        "UAR (p < 0.05; whole speakers swapped, if several are known; 4 tests, Holm's "
        "correction). † trained on utterances of this set; neither bold nor tested. ‡ "
        "synthetic speech: it says nothing about accuracy on people. Protocols: good, seen: "
        "fake/speaker-5fold/intended/4-class/seed 1; poor: p/2."
    )
    uar = by_metric(models, "uar")
    assert uar.head == ["Test set", "Chance", "good", "poor", "seen", "Highest"]
    assert [row[-1] for row in uar.rows] == ["good, seen", "good", "good, seen"]
    assert uar.rows[2][3] is None
    said = to_lines(models)
    assert said.startswith("WA, with 95 % intervals.\n\nTest set  Chance  good ")
    assert "Bold" not in said and "* differs from good in UAR" in said


def test_the_long_table_has_everything(models):
    table = long(models)
    assert len(table.rows) == 8 * 3
    assert to_csv(table).splitlines()[0] == (
        "Test set,Model,Protocol,Role,Synthetic,Utterances,Speakers,Chance,Metric,Value,"
        "Value low,Value high,Highest,Difference to first model,Difference to first model low,"
        "Difference to first model high,p,p (Holm)"
    )
    (row,) = [row for row in table.rows if row[:2] == ["x", "poor"] and row[8] == "UAR"]
    assert row[-2:] == [2 / 4096, 8 / 4096] and row[7] == 0.25


def test_one_test_alone_is_not_corrected(tmp_path):
    sets = {"a": {"x": (0.8, {})}, "b": {"x": (0.3, {})}}
    (said, _) = legend(cross([run_of(tmp_path / name, each) for name, each in sets.items()], 5))
    assert said.endswith("whole speakers swapped, if several are known; 1 test).")


def test_one_model_has_no_rival(tmp_path):
    models = cross([run_of(tmp_path / "m", {"x": (0.5, {})})], 5)
    assert by_metric(models, "wa").head == ["Test set", "Chance", "m"]
    assert on_bold(models) == "" and legend(models) == [protocols(models)]


def test_warnings(tmp_path):
    rows = fake_run.rows(30, "classification", speakers=3)
    assert warnings(cross(runs_of(tmp_path, a=rows, b=rows[:-1]), 5)) == [
        "x: the models have different utterances, so none is best.",
        "x: Only 3 speakers, too few to say how far the results would vary with others: there "
        "is no interval.",
        "x: Only 3 speakers: p cannot fall below 0.25, so no difference can reach .05.",
    ]

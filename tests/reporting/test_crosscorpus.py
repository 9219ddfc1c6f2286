"""The tables and heat maps of a cross-corpus matrix."""

import csv

import pytest

from ser_brain.core.files import read_json
from ser_brain.core.tables import to_csv, value_text
from ser_brain.evaluation.crosscorpus import cross
from ser_brain.evaluation.runs import read_run
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
from tests.evaluation.test_crosscorpus import of_kind, run_of
from tests.reporting.test_plots import FILES


@pytest.fixture
def matrix(tmp_path):
    for name, kind in (("m_1", "multiobjective"), ("r", "regression"), ("c", "classification")):
        fake_run.write(tmp_path / name, "x_y", of_kind(kind), experiment=name)
    return cross([read_run(tmp_path / name) for name in ("m_1", "r", "c")], 5)


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
    assert latex.count(r"\begin{table}") == 2 and r"m\_1" in latex and "x_y" not in latex
    with open(out / "crosscorpus.csv", newline="", encoding="utf-8") as file:
        (uar,) = [r for r in csv.DictReader(file) if r["Metric"] == "UAR" and r["Model"] == "c"]
    cell = matrix["test_sets"]["x_y"]["cells"]["c"]
    assert float(uar["Value"]) == cell["metrics"]["uar"]["value"]


def test_a_heat_map_shows_the_models_that_have_its_metric(tmp_path, matrix, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "ser_brain.reporting.crosscorpus.heat_map",
        lambda stem, cells, rows, columns, chance, title, subtitle: drawn.update(
            {stem.name: (list(cells), rows, columns, chance, subtitle)}
        ),
    )
    write_matrix(tmp_path, matrix)
    metrics, rows, columns, chance, subtitle = drawn["crosscorpus_emotions"]
    assert (metrics, rows, columns, chance) == (
        ["UAR"], ["x_y\nchance 0.250"], ["m_1", "c"], [0.25]
    )  # fmt: skip
    assert subtitle.startswith("White: chance or below; darkest: 1. Bold: best of a row.")
    assert subtitle.endswith("Protocol: fake/speaker-5fold/intended/4-class/seed 1.")
    metrics, rows, columns, chance, subtitle = drawn["crosscorpus_values"]
    assert (metrics, rows, columns, chance) == (
        ["CCC valence", "CCC arousal"], ["x_y"], ["m_1", "r"], [0.0]
    )  # fmt: skip


@pytest.fixture
def models(tmp_path):
    """Three models; ``seen`` was trained on y, ``poor`` did not predict z."""
    runs = [
        run_of(
            tmp_path / "good", {n: (0.8, {}) for n in "xy"} | {"z": (1, {"synthetic": True})}
        ),
        run_of(tmp_path / "poor", {n: (0.3, {"protocol": "p/2"}) for n in "xy"}),
        run_of(tmp_path / "seen", {"x": (0.8, {}), "y": (1, {"role": "train"}), "z": (1, {})}),
    ]
    return cross(runs, 10)


def test_the_wide_table(models):
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
        "UAR (p < 0.05; whole speakers swapped; 4 tests, Holm's correction). † trained on "
        "utterances of this set; neither bold nor tested. ‡ synthetic speech: it says nothing "
        "about accuracy on people. Protocols: good, seen: "
        "fake/speaker-5fold/intended/4-class/seed 1; poor: p/2."
    )


def test_one_metric(models):
    table = by_metric(models, "uar")
    assert table.head == ["Test set", "Chance", "good", "poor", "seen", "Best"]
    assert [row[-1] for row in table.rows] == ["good, seen", "good", "good, seen"]
    assert table.rows[2][3] is None


def test_the_long_table_has_everything(models):
    table = long(models)
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
    models = cross([read_run(tmp_path / name) for name in "mr"], 5)
    emotions, values = wide(models)
    assert emotions.over == ["", "", "m", "m", "m"]
    assert values.head == ["Test set", *["CCC valence", "CCC arousal"] * 2]
    assert by_metric(models, "valence ccc").head == [
        "Test set",
        "m",
        "r",
        "Best",
    ]
    assert "No model differs from m in CCC valence, CCC arousal (p < 0.05" in values.caption
    assert protocols(models) == "Protocol: fake/speaker-5fold/intended/4-class/seed 1."


def test_one_model_has_no_rival(tmp_path):
    models = cross([run_of(tmp_path / "m", {"x": (0.5, {})})], 5)
    assert by_metric(models, "wa").head == ["Test set", "Chance", "m"]
    assert on_bold(models) == "" and legend(models) == [protocols(models)]


def test_warnings(tmp_path):
    rows = fake_run.rows(30, "classification", speakers=3)
    fake_run.write(tmp_path / "a", "x", rows, experiment="a")
    fake_run.write(tmp_path / "b", "x", rows[:-1], experiment="b")
    assert warnings(cross([read_run(tmp_path / n) for n in "ab"], 5)) == [
        "x: the models have different utterances, so none is best.",
        "x: Only 3 speakers, too few to say how far the results would vary with others: there "
        "is no interval.",
        "x: Only 3 speakers: p cannot fall below 0.25, so no difference can reach .05.",
    ]


def test_the_text(models):
    said = to_lines(models)
    assert said.startswith("WA, with 95 % intervals.\n\nTest set  Chance  good ")
    assert "Bold" not in said and "* differs from good in UAR" in said

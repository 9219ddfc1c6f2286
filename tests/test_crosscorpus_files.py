import csv

import fake_run
import pytest
from test_crosscorpus import of_kind

from ser_brain.crosscorpus import cross
from ser_brain.crosscorpus_files import write_matrix
from ser_brain.files import read_json
from ser_brain.runs import read_run


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
    figures = {f"{name}.{suffix}" for name in drawn for suffix in ("svg", "png")}
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
        "ser_brain.crosscorpus_files.heat_map",
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


def test_no_values_no_heat_map(tmp_path):
    fake_run.write(tmp_path, "x", fake_run.rows(9, "classification"))
    assert list(write_matrix(tmp_path, cross([read_run(tmp_path)], 5))) == [
        "crosscorpus_emotions"
    ]

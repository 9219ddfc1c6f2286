import json

import fake_run
import pytest
from test_crosscorpus import of_kind, run_of
from test_report import HOSTILE, Page, sober

from ser_brain.__main__ import main
from ser_brain.comparison_report import compare_pairs, comparison_text, write_comparison
from ser_brain.crosscorpus import cross
from ser_brain.errors import SERError
from ser_brain.files import read_json, write_json, write_text


@pytest.fixture
def quick(monkeypatch):
    """Figures that take no time."""

    def drawn(stem, *_):
        write_text(f"{stem}.svg", "<svg/>")

    monkeypatch.setattr("ser_brain.comparison_figures.confusion", drawn)
    monkeypatch.setattr("ser_brain.crosscorpus_files.heat_map", drawn)


def three_kinds(tmp_path, **changes):
    folders = []
    for kind in ("classification", "regression", "multiobjective"):
        for name in ("x", "y"):
            fake_run.write(tmp_path / kind, name, of_kind(kind), experiment=kind, **changes)
        folders.append(tmp_path / kind)
    return folders


def test_the_page_is_whole_and_sober(tmp_path):
    folders = three_kinds(tmp_path)
    write_json(folders[0] / "run.json", {"command": "python train.py a", "commit": "abc"})
    path, results = write_comparison(folders, tmp_path / "out", 10)
    page = Page(path)
    sober(page)
    assert "3 models on 2 test sets" in page.text
    assert "python train.py a" in page.text and "It has no record of its command." in page.text
    assert "No model differs from classification in UAR" in page.text
    assert "not written; ser report on its folder writes it" in page.text
    # UAR and two CCCs, the pairs, WA and F1; two heat maps and a confusion per test set.
    assert (page.count("table"), page.count("img")) == (6, 4)
    assert read_json(path.parent / "results.json", "results") == results
    for name in ("pairs.csv", "pairs.tex", "crosscorpus.md", "x-confusion.png"):
        assert (path.parent / name).is_file()


def test_every_pair_is_tested_on_every_set(tmp_path, quick):
    _, results = write_comparison(three_kinds(tmp_path), tmp_path / "out", 5)
    found = [(p["test_set"], p["a"], p["b"], list(p["tasks"])) for p in results["pairs"]]
    assert found[:3] == [
        ("x", "classification", "regression", []),
        ("x", "classification", "multiobjective", ["emotion"]),
        ("x", "regression", "multiobjective", ["valence", "arousal"]),
    ]
    assert len(found) == 6
    said = comparison_text(results)
    assert "Holm's correction for all 6 tests." in said and "Lost  Won" in said
    assert "changed" not in results["pairs"][1]["answers"]


def test_pairs_leave_out_what_a_model_was_trained_on(tmp_path):
    runs = {
        name: run_of(tmp_path / name, {"x": (0.5, {}), "y": (0.5, {"role": role})})
        for name, role in (("a", "test"), ("b", "train"), ("c", "test"))
    }
    found = compare_pairs(runs, cross(list(runs.values()), 5), 5)
    pairs = [(pair["test_set"], pair["a"], pair["b"]) for pair in found]
    assert pairs == [("x", "a", "b"), ("x", "a", "c"), ("x", "b", "c"), ("y", "a", "c")]


def test_hostile_names_are_escaped(tmp_path, quick):
    hostile = {"experiment": HOSTILE, "protocol": f"{HOSTILE}/seed 1", "synthetic": True}
    for name in "ab":
        fake_run.write(tmp_path / name, "x", **hostile)
        write_json(
            tmp_path / name / "run.json", {"command": HOSTILE, "versions": {HOSTILE: "1"}}
        )
    path, _ = write_comparison([tmp_path / "a", tmp_path / "b"], tmp_path / "out", 5)
    page = Page(path)
    sober(page)
    assert f"{HOSTILE} (a)" in page.text and "alert" not in page.script
    assert "Synthetic speech (x): it says nothing" in page.text


def test_one_run_or_several_from_the_command_line(tmp_path, capsys, quick):
    folders = [str(folder) for folder in three_kinds(tmp_path)]
    out = tmp_path / "out"
    assert main(["report", *folders[:2], "--out", str(out), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"matrix", "pairs", "training", "runs"}
    assert main(["report", *folders[1:], "--out", str(out)]) == 0
    assert f"report: {out / 'index.html'}" in capsys.readouterr().out
    assert main(["report", folders[0], "--out", str(out)]) == 2
    assert "--out is for several runs" in capsys.readouterr().err


def test_runs_that_cannot_be_compared(tmp_path, quick):
    folders = three_kinds(tmp_path)
    fake_run.write(tmp_path / "other", "x", of_kind("classification")[:20][::-1])
    rows = [{**row, "emotion": "anger"} for row in of_kind("classification")]
    fake_run.write(tmp_path / "other", "x", rows, experiment="other")
    with pytest.raises(
        SERError, match="true emotion of .* differs between classification and other"
    ):
        write_comparison([*folders, tmp_path / "other"], tmp_path / "out", 5)
    assert not (tmp_path / "out").exists()

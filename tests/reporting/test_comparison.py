"""Comparisons of two runs in a terminal, and of several on a page."""

import json

import pytest

from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json, write_json, write_text
from ser_brain.evaluation.compare import compare_runs
from ser_brain.evaluation.crosscorpus import cross
from ser_brain.evaluation.runs import read_run
from ser_brain.reporting.comparison import (
    changed,
    compare_pairs,
    comparison_lines,
    comparison_text,
    file_tables,
    metrics,
    origin_of,
    pairs,
    versions,
    write_comparison,
)
from tests import fake_run
from tests.evaluation.test_crosscorpus import of_kind, run_of
from tests.reporting.test_report import HOSTILE, Page, sober


@pytest.fixture
def quick(monkeypatch):
    """Figures that take no time."""

    def drawn(stem, *_):
        write_text(f"{stem}.svg", "<svg/>")

    monkeypatch.setattr("ser_brain.reporting.comparison.confusion", drawn)
    monkeypatch.setattr("ser_brain.reporting.crosscorpus.heat_map", drawn)


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
    assert (
        "python train.py a" in page.text
        and "The run has no record of its command." in page.text
    )
    assert "No model differs from classification in UAR" in page.text
    assert "not written; ser report with its folder writes it" in page.text
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


def compared(tmp_path, kind="multiobjective", other_seed=3, **changes):
    """Two models on one set; the second answers with the scores of other utterances."""
    rows = fake_run.rows(40, kind)
    keys = [key for key in rows[0] if key.startswith(("log_prob", "predicted"))]
    said = fake_run.rows(40, kind, seed=other_seed)
    other = [
        {**row, **{key: answer[key] for key in keys}}
        for row, answer in zip(rows, said, strict=True)
    ]
    runs = []
    for name, each in (("a", rows), ("b", other)):
        fake_run.write(tmp_path / name, "fake", each, experiment=f"model {name}", **changes)
        runs.append(read_run(tmp_path / name))
    return compare_runs(*runs, resamples=10)


def test_the_primary_metric_comes_first(tmp_path):
    table = metrics(compared(tmp_path)["test_sets"]["fake"])
    titles = [row[0] for row in table.rows]
    assert titles[:2] == ["UAR, primary", "WA"]
    assert "NLL (nats), lower is better" in titles
    assert "CCC valence, primary" in titles and "CCC arousal, primary" in titles
    assert "Mean error arousal, 0 is best" in titles
    assert [row[-1] is not None for row in table.rows] == ["primary" in t for t in titles]


def test_changed_answers(tmp_path):
    found = compared(tmp_path)
    comparison = found["test_sets"]["fake"]
    table = changed(comparison)
    assert len(table.rows) == 40 - comparison["answers"]["same"] > 5
    metrics_of_all, changed_of_all = file_tables(found)
    assert (metrics_of_all.name, changed_of_all.name) == ("comparison", "changed_answers")
    assert changed_of_all.rows[0][:2] == ["fake", table.rows[0][0]]
    protocol = "fake/speaker-5fold/intended/4-class/seed 1"
    for table in (metrics_of_all, changed_of_all):
        assert table.caption.endswith(f" A: model a, {protocol}. B: model b, {protocol}.")


def test_the_text(tmp_path):
    said = comparison_lines(compared(tmp_path, synthetic=True))
    assert said.startswith("A: model a, fake/speaker-5fold/intended/4-class/seed 1 (")
    assert "Synthetic speech: it says nothing about accuracy on people." in said
    assert "fake: 40 utterances of both\n" in said
    assert (
        "40 labelled utterances, resampled and swapped by 6 speakers. Only 6 speakers" in said
    )
    assert "Answers from A to B: " in said and " right to wrong, " in said
    assert "more: --json shows all, --out writes all." in said
    assert said.endswith("not another training of either model.")


def test_a_regression_model_has_no_answers(tmp_path):
    found = compared(tmp_path, "regression")
    assert "Answers" not in comparison_lines(found)
    assert [table.name for table in file_tables(found)] == ["comparison"]


def test_pairs(tmp_path):
    comparison = compared(tmp_path)["test_sets"]["fake"]
    table = pairs([{"a": "x", "b": "y", **comparison}], "Protocol: p.")
    assert "for all 3 tests" in table.caption and table.caption.endswith("Protocol: p.")
    assert [row[:4] for row in table.rows] == [
        ["fake", "x", "y", "UAR"],
        ["fake", "x", "y", "CCC valence"],
        ["fake", "x", "y", "CCC arousal"],
    ]
    lost = comparison["answers"]["counts"]["right to wrong"]
    assert table.rows[0][-2] == lost > 0 and table.rows[1][-2] is None


def record(**changes):
    return {
        "command": "python train.py",
        "commit": "abc+",
        "versions": {"torch": "2"},
        **changes,
    }


def test_a_single_run(tmp_path):
    fake_run.write(tmp_path / "runs" / "a")
    write_json(tmp_path / "runs" / "a" / "run.json", record())
    write_text(tmp_path / "runs" / "a" / "report" / "index.html", "")
    assert origin_of(read_run(tmp_path / "runs" / "a"), tmp_path / "pages" / "p") == {
        "protocol": "fake/speaker-5fold/intended/4-class/seed 1",
        "encoder": "tiny",
        "folder": "../../runs/a",
        "report": "../../runs/a/report/index.html",
        "commands": {"run": "python train.py"},
        "commits": ["abc+"],
        "versions": {"run": {"torch": "2"}},
    }


def test_parts_that_were_made_with_other_versions(tmp_path):
    for number in (1, 2):
        fake_run.write(tmp_path / str(number))
        facts = {"commit": None, "versions": {"torch": "2", "numpy": f"{number}.0"}}
        write_json(tmp_path / str(number) / "run.json", record(**facts))
    write_json(tmp_path / "folds.json", {"parts": {"fold 1": "1", "fold 2": "2"}})
    found = origin_of(read_run(tmp_path), tmp_path)
    assert list(found["commands"]) == ["fold 1", "fold 2"]
    assert found["commits"] == [] and found["report"] is None and found["folder"] == "."
    table = versions({"a": found, "b": {"versions": {}}})
    assert table.head == ["Package", "a", "b"]
    assert table.rows == [["torch", "2", None], ["numpy", "1.0, 2.0", None]]


def test_a_run_without_a_record(tmp_path):
    fake_run.write(tmp_path)
    found = origin_of(read_run(tmp_path), tmp_path)
    assert found["commands"] == found["versions"] == {}
    assert versions({"a": found}).rows == []

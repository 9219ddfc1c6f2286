"""Comparisons of two runs in a terminal, and of several on a page."""

import csv
import json

import pytest

from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json, write_json, write_text
from ser_brain.evaluation.compare import compare_runs
from ser_brain.evaluation.runs import read_run
from ser_brain.reporting.comparison import (
    changed,
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

PROTOCOL = fake_run.card()["protocol"]


def three_kinds(tmp_path):
    folders = []
    for kind in ("classification", "regression", "multiobjective"):
        for name in ("x", "y"):
            fake_run.write(tmp_path / kind, name, of_kind(kind), experiment=kind)
        folders.append(tmp_path / kind)
    return folders


def test_the_page_is_whole_and_sober(tmp_path):
    folders = three_kinds(tmp_path)
    write_json(folders[0] / "run.json", {"command": "python train.py a", "commit": "abc"})
    path, results = write_comparison(folders, tmp_path / "out", 10)
    page = Page(path)
    sober(page)
    for said in (
        "3 models on 2 test sets",
        "python train.py a",
        "The run has no record of its command.",
        "No model differs from classification in UAR",
        "not written; ser report with its folder writes it",
    ):
        assert said in page.text
    # UAR and two CCCs, the pairs, WA and F1; two heat maps and a confusion per test set.
    assert (page.count("table"), page.count("img")) == (6, 4)
    assert read_json(path.parent / "results.json", "results") == results
    for name in ("pairs.tex", "crosscorpus.md", "x-confusion.png"):
        assert (path.parent / name).is_file()
    # Every pair is tested on every set.
    found = [(p["test_set"], p["a"], p["b"], list(p["tasks"])) for p in results["pairs"]]
    assert len(found) == 6 and found[:3] == [
        ("x", "classification", "regression", []),
        ("x", "classification", "multiobjective", ["emotion"]),
        ("x", "regression", "multiobjective", ["valence", "arousal"]),
    ]
    answers = results["pairs"][1]["answers"]
    assert "changed" not in answers
    said = comparison_text(results)
    assert "correction for the 1 test. Lost" in pairs(results["pairs"][1:2], "").caption
    assert "Holm's correction for all 6 tests." in said and "Lost  Won" in said
    with open(path.parent / "pairs.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["Metric"] for row in rows[:3]] == ["UAR", "CCC valence", "CCC arousal"]
    assert rows[0]["Lost"] == str(answers["counts"]["right to wrong"]) and not rows[1]["Lost"]
    value = results["pairs"][1]["tasks"]["emotion"]["metrics"]["uar"]["difference"]["value"]
    assert float(rows[0]["B − A"]) == value


def test_pairs_leave_out_what_a_model_was_trained_on(tmp_path):
    for name, role in (("a", "test"), ("b", "train"), ("c", "test")):
        run_of(tmp_path / name, {"x": (0.5, {}), "y": (0.5, {"role": role})})
    _, results = write_comparison([tmp_path / name for name in "abc"], tmp_path / "out", 5)
    pairs = [(pair["test_set"], pair["a"], pair["b"]) for pair in results["pairs"]]
    assert pairs == [("x", "a", "b"), ("x", "a", "c"), ("x", "b", "c"), ("y", "a", "c")]


def test_hostile_names_are_escaped(tmp_path):
    hostile = {"experiment": HOSTILE, "protocol": f"{HOSTILE}/seed 1", "synthetic": True}
    for name in "ab":
        fake_run.write(tmp_path / name, "x", **hostile)
        record = {"command": HOSTILE, "versions": {HOSTILE: "1"}}
        write_json(tmp_path / name / "run.json", record)
    path, _ = write_comparison([tmp_path / "a", tmp_path / "b"], tmp_path / "out", 5)
    page = Page(path)
    sober(page)
    assert f"{HOSTILE} (a)" in page.text and "alert" not in page.script
    assert "Synthetic speech (x): it says nothing" in page.text


def test_one_run_or_several_from_the_command_line(tmp_path, capsys):
    folders = [str(folder) for folder in three_kinds(tmp_path)]
    out = tmp_path / "out"
    assert main(["report", *folders[:2], "--out", str(out), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"matrix", "pairs", "training", "runs"}
    assert main(["report", *folders[1:], "--out", str(out)]) == 0
    assert f"report: {out / 'index.html'}" in capsys.readouterr().out
    assert main(["report", folders[0], "--out", str(out)]) == 2
    assert "--out is for several runs" in capsys.readouterr().err
    rows = [{**row, "emotion": "anger"} for row in of_kind("classification")]
    fake_run.write(tmp_path / "other", "x", rows, experiment="other")
    with pytest.raises(SERError, match="true emotion of .* between classification and other"):
        write_comparison([tmp_path / "classification", tmp_path / "other"], tmp_path / "no", 5)
    assert not (tmp_path / "no").exists()


def compared(tmp_path, kind="multiobjective", **changes):
    """Two models on one set; the second answers with the scores of other utterances."""
    rows, said = fake_run.rows(40, kind), fake_run.rows(40, kind, seed=3)
    keys = [key for key in rows[0] if key.startswith(("log_prob", "predicted"))]
    other = [
        row | {key: answer[key] for key in keys} for row, answer in zip(rows, said, strict=True)
    ]
    runs = []
    for name, each in (("a", rows), ("b", other)):
        fake_run.write(tmp_path / name, "fake", each, experiment=f"model {name}", **changes)
        runs.append(read_run(tmp_path / name))
    return compare_runs(*runs, resamples=10)


def test_two_runs_as_text_and_tables(tmp_path):
    found = compared(tmp_path, synthetic=True)
    comparison = found["test_sets"]["fake"]
    titles = [row[0] for row in metrics(comparison).rows]
    assert titles[:2] == ["UAR, primary", "WA"]
    assert {"NLL (nats), lower is better", "Mean error arousal, 0 is best"} <= {*titles}
    assert "CCC valence, primary" in titles and "CCC arousal, primary" in titles
    corrected = [row[-1] is not None for row in metrics(comparison).rows]
    assert corrected == ["primary" in title for title in titles]
    table = changed(comparison)
    assert len(table.rows) == 40 - comparison["answers"]["same"] > 5
    tables = file_tables(found)
    assert [each.name for each in tables] == ["comparison", "changed_answers"]
    assert tables[1].rows[0][:2] == ["fake", table.rows[0][0]]
    for each in tables:
        assert each.caption.endswith(f" A: model a, {PROTOCOL}. B: model b, {PROTOCOL}.")
    text = comparison_lines(found)
    assert text.startswith(f"A: model a, {PROTOCOL} (")
    assert text.endswith("not another training of either model.")
    for said in (
        "Synthetic speech: it says nothing about accuracy on people.",
        "fake: 40 utterances of both\n",
        "40 labelled utterances, resampled and swapped by 6 speakers. Only 6 speakers",
        " right to wrong, ",
        "more: --json shows all, --out writes all.",
    ):
        assert said in text
    found = compared(tmp_path / "values", "regression")
    assert "Answers" not in comparison_lines(found)
    assert [table.name for table in file_tables(found)] == ["comparison"]


def test_how_runs_were_made(tmp_path):
    bare, run = tmp_path / "bare", tmp_path / "runs" / "a"
    for folder in (bare, run):
        fake_run.write(folder)
    record = {"command": "python train.py", "commit": "abc+", "versions": {"torch": "2"}}
    write_json(run / "run.json", record)
    write_text(run / "report" / "index.html", "")
    assert origin_of(read_run(run), tmp_path / "pages" / "p") == {
        "protocol": PROTOCOL,
        "encoder": "tiny",
        "folder": "../../runs/a",
        "report": "../../runs/a/report/index.html",
        "commands": {"run": "python train.py"},
        "commits": ["abc+"],
        "versions": {"run": {"torch": "2"}},
    }
    for number in (1, 2):
        fake_run.write(tmp_path / str(number))
        facts = {"commit": None, "versions": {"torch": "2", "numpy": f"{number}.0"}}
        write_json(tmp_path / str(number) / "run.json", record | facts)
    write_json(tmp_path / "folds.json", {"parts": {"fold 1": "1", "fold 2": "2"}})
    found = origin_of(read_run(tmp_path), tmp_path)
    assert list(found["commands"]) == ["fold 1", "fold 2"]
    assert found["commits"] == [] and found["report"] is None and found["folder"] == "."
    table = versions({"a": found, "b": origin_of(read_run(bare), tmp_path)})
    assert table.head == ["Package", "a", "b"]
    assert table.rows == [["torch", "2", None], ["numpy", "1.0, 2.0", None]]

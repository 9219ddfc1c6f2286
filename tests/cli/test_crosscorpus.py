"""``ser crosscorpus`` as it is typed."""

import json
import sys
import types

from ser_brain.__main__ import main
from ser_brain.evaluation.runs import read_run
from tests import fake_run


def two_runs(tmp_path):
    for name in "ab":
        fake_run.write(tmp_path / name, "x", experiment=f"model {name}")
    return [str(tmp_path / name) for name in "ab"]


def test_a_reader_and_a_machine_get_the_same(tmp_path, capsys, monkeypatch):
    # Without --on no model runs, so that torch may be absent.
    monkeypatch.setitem(sys.modules, "ser_brain.training.predict_corpus", None)
    runs = two_runs(tmp_path)
    assert main(["crosscorpus", *runs]) == 0
    assert "No model differs from model a in UAR" in capsys.readouterr().out
    assert main(["crosscorpus", *runs, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["models"]) == ["model a", "model b"]
    assert list(found["test_sets"]) == ["x"]


def test_the_files(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["crosscorpus", *two_runs(tmp_path), "--out", str(out)]) == 0
    assert f"written to: {out}" in capsys.readouterr().out
    assert (out / "SHA256SUMS").is_file()
    assert {path.suffix for path in out.iterdir()} - {""} == {
        *(".json", ".csv", ".md", ".tex", ".svg", ".png", ".pdf")
    }


def test_each_run_first_predicts_what_it_lacks(tmp_path, capsys, monkeypatch):
    asked = []

    def predict_on(folder, targets, device):
        asked.append(
            (folder.name, [(t.manifest.name, t.label_source) for t in targets], device)
        )
        fake_run.write(folder, "more", experiment=read_run(folder).first.card["experiment"])
        return ["more"]

    monkeypatch.setitem(
        sys.modules,
        "ser_brain.training.predict_corpus",
        types.SimpleNamespace(predict_on=predict_on),
    )
    manifest = tmp_path / "more.json"
    manifest.write_text("{}")
    runs = two_runs(tmp_path)
    command = ["crosscorpus", *runs, "--on", f"{manifest}:rated", "--device", "cpu", "--json"]
    assert main(command) == 0
    assert asked == [(name, [("more.json", "rated")], "cpu") for name in "ab"]
    assert set(json.loads(capsys.readouterr().out)["test_sets"]) == {"x", "more"}


def test_a_manifest_that_is_not_there(tmp_path, capsys):
    assert main(["crosscorpus", *two_runs(tmp_path), "--on", "nowhere.json"]) == 2
    assert "No manifest at nowhere.json" in capsys.readouterr().err

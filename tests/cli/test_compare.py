"""``ser compare`` as it is typed."""

import csv
import json

from ser_brain.__main__ import main
from ser_brain.core.files import write_checksums
from tests import fake_run


def two_runs(tmp_path):
    """The second answers otherwise on seven utterances."""
    rows = fake_run.rows(40)
    other = [dict(row) for row in rows]
    for row in other[:7]:
        scores, was = row["log_probabilities"], row["predicted_emotion"]
        now = next(emotion for emotion in fake_run.EMOTIONS if emotion != was)
        row["log_probabilities"] = scores | {now: scores[was], was: scores[now]}
        row["predicted_emotion"] = now
    for name, each in (("a", rows), ("b", other)):
        fake_run.write(tmp_path / name, "fake", each)
        fake_run.write(tmp_path / name, "other", each[:20])
    return [str(tmp_path / name) for name in "ab"]


def test_a_reader_and_a_machine_get_the_same(tmp_path, capsys):
    runs = two_runs(tmp_path)
    assert main(["compare", *runs]) == 0
    printed = capsys.readouterr().out
    assert "UAR, primary" in printed and "and 2 more: --json shows all" in printed
    assert main(["compare", *runs, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["test_sets"]["fake"]["answers"]["changed"]) == 7
    assert found["a"]["label"] == "multiobjective (a)"
    assert main(["compare", *runs, "--test_set", "other", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["test_sets"]) == ["other"]
    assert main(["compare", *runs, "--test_set", "othr"]) == 2
    assert "Bad test set 'othr'; expected one of: other" in capsys.readouterr().err


def test_the_files(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compare", *two_runs(tmp_path), "--out", str(out)]) == 0
    assert f"written to: {out}" in capsys.readouterr().out
    names = {
        f"{n}.{s}" for n in ("comparison", "changed_answers") for s in ("csv", "md", "tex")
    }
    assert {path.name for path in out.iterdir()} == names | {
        *("comparison.json", "files.json", "SHA256SUMS")
    }
    with open(out / "changed_answers.csv", newline="", encoding="utf-8") as file:
        changed = list(csv.DictReader(file))
    assert len(changed) == 14 and changed[0]["Test set"] == "fake"
    with open(out / "comparison.csv", newline="", encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    full = json.loads((out / "comparison.json").read_text())["test_sets"]["fake"]["tasks"]
    assert float(first["B − A low"]) == full["emotion"]["metrics"]["uar"]["difference"]["low"]


def test_a_run_that_is_not_there(tmp_path, capsys):
    assert main(["compare", str(tmp_path), str(tmp_path / "b")]) == 2
    assert "No predictions/*.jsonl" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "b"), str(tmp_path)]) == 2
    assert f"No run folder {tmp_path / 'b'}. Name a folder" in capsys.readouterr().err


def test_a_model_is_no_place_for_it(tmp_path, capsys):
    """Its own list of checksums must not be taken for what an earlier comparison wrote."""
    model = tmp_path / "model"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        (model / name).write_text(name)
    write_checksums(model)
    before = {path: path.read_text() for path in model.iterdir()}
    assert main(["compare", *two_runs(tmp_path), "--out", str(model)]) == 2
    said = "contains config.json: it is a run, folds or a model. Choose another folder."
    assert capsys.readouterr().err == f"error: {model} {said}\n"
    assert {path: path.read_text() for path in model.iterdir()} == before

import json
import os
import shlex
import sys

import pytest

from ser_brain.run_record import VERSIONS, RunRecord


def test_the_record_says_how_to_run_it_again(tmp_path, monkeypatch):
    line = ["train.py", "a.yaml", "--emotions=[anger, sadness]", "--output_folder=my run"]
    monkeypatch.setattr(sys, "argv", line)
    record = RunRecord(tmp_path, seed=3, protocol="made/random/intended/2-class/seed 3")
    begun = json.loads((tmp_path / "run.json").read_text())
    assert begun["finished"] is False and "wall_time_s" not in begun
    assert shlex.split(begun["command"]) == ["python", *line]
    assert (begun["seed"], begun["protocol"][:4]) == (3, "made")
    assert set(VERSIONS) | {"python"} == set(begun["versions"])
    record.finish()
    done = json.loads((tmp_path / "run.json").read_text())
    assert done["finished"] is True and 0 <= done["wall_time_s"] < 60
    changed = {"finished", "invocations"}
    assert {k: done[k] for k in begun if k not in changed} == {
        k: v for k, v in begun.items() if k not in changed
    }


def test_the_time_of_a_run_is_that_of_all_its_invocations(tmp_path):
    record = RunRecord(tmp_path)
    record.began -= 100
    record.finish()  # of an earlier version, that kept no list
    (tmp_path / "run.json").write_text(
        json.dumps({k: v for k, v in read(tmp_path).items() if k != "invocations"})
    )
    killed = RunRecord(tmp_path)
    (tmp_path / "save").mkdir()
    sign = tmp_path / "save" / "CKPT+1"
    sign.mkdir()
    os.utime(sign, (killed.began + 30, killed.began + 30))
    assert read(tmp_path)["invocations"][1]["wall_time_s"] is None
    assert not read(tmp_path)["finished"]
    last = RunRecord(tmp_path)
    last.began -= 5
    last.finish()
    done = read(tmp_path)
    times = [invocation["wall_time_s"] for invocation in done["invocations"]]
    assert times == pytest.approx([100, 30, 5], abs=1.5)
    assert done["wall_time_s"] == pytest.approx(sum(times))


def read(folder):
    return json.loads((folder / "run.json").read_text())


def test_without_git_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    RunRecord(tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["commit"] is None


@pytest.mark.parametrize(
    "typed, command",
    [
        (["train.py", "a b.yaml"], "python train.py 'a b.yaml'"),
        (["/usr/bin/ser", "folds"], "ser folds"),
    ],
)
def test_the_command_as_it_was_typed(tmp_path, monkeypatch, typed, command):
    monkeypatch.setattr(sys, "argv", typed)
    RunRecord(tmp_path, "folds.json")
    assert json.loads((tmp_path / "folds.json").read_text())["command"] == command

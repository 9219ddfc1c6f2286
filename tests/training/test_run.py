"""The run folder: whose it is, whether it may continue, and its records."""

import json
import os
import shlex
import sys

import pytest

from ser_brain.core.errors import SERError
from ser_brain.reporting.html import rewritten
from ser_brain.training import run as run_record
from ser_brain.training.run import (
    VERSIONS,
    RunRecord,
    TrainLog,
    begin,
    claim,
    is_finished,
    require_same_corpora,
)

SETTINGS = """\
seed: 1  # a comment
output_folder: results/here
number_of_epochs: 3
corpora:
  - {corpus: demo, where: {language: eng}}
optimizer: !name:torch.optim.Adam
  lr: !ref <lr>
lr: 0.1
"""
MORE = SETTINGS.replace("epochs: 3", "epochs: 4")


@pytest.fixture
def trained(tmp_path):
    """A run folder with a checkpoint."""
    begin(tmp_path / "run", SETTINGS)
    (tmp_path / "run" / "save" / "CKPT+2026").mkdir(parents=True)
    return tmp_path / "run"


def test_a_new_folder_may_be_claimed_with_any_settings_until_there_is_work(tmp_path):
    claim(tmp_path / "run", SETTINGS)
    assert not (tmp_path / "run").exists()
    begin(tmp_path / "run", SETTINGS)
    assert (tmp_path / "run" / "hyperparams.yaml").read_text() == SETTINGS
    claim(tmp_path / "run", "seed: 2\n")


def test_the_folder_of_folds_is_not_for_a_run(tmp_path):
    (tmp_path / "folds.json").write_text("{}")
    with pytest.raises(SERError, match="contains the folds of ser folds. Choose another"):
        claim(tmp_path, SETTINGS)


def test_the_same_settings_continue_whatever_their_layout(trained):
    claim(trained, SETTINGS)
    for old, new in [
        ("  # a comment", ""),
        ("seed: 1", "# why\nseed:    1"),
        (
            "{corpus: demo, where: {language: eng}}",
            "corpus: demo\n    where:\n      language: eng",
        ),
        ("language: eng", "language: 'eng'"),
    ]:
        assert old in SETTINGS
        claim(trained, SETTINGS.replace(old, new))
    first, rest = SETTINGS.split("\n", 1)
    claim(trained, rest + first + "\n")


@pytest.mark.parametrize("place", ["", "save", "predictions"])
def test_what_a_killed_run_left_is_removed(place, trained):
    left = trained / place / ".partial-CKPT+2025"  # such as a checkpoint, half removed
    left.mkdir(parents=True)
    claim(trained, SETTINGS)
    assert not left.exists() and (trained / "save" / "CKPT+2026").is_dir()


def test_what_a_report_is_writing_stays(trained):
    with rewritten(trained / "report", own=True) as new:
        (new / "index.html").write_text("whole")
        claim(trained, SETTINGS)
    assert (trained / "report" / "index.html").read_text() == "whole"


def test_other_settings_are_refused_by_name(trained):
    changed = SETTINGS.replace("seed: 1", "seed: 2").replace("eng", "deu")
    match = r"run contains checkpoints of other settings \(different: corpora, seed\)\. Choose"
    with pytest.raises(SERError, match=match):
        claim(trained, changed)
    assert (trained / "hyperparams.yaml").read_text() == SETTINGS


def test_a_run_of_before_there_was_a_setting_may_be_given_it(trained):
    match = (
        r"\(different: layer, seed; \S+run/hyperparams\.yaml lacks layer: to continue the "
        r"run, add the values it had\)\. Choose"
    )
    with pytest.raises(SERError, match=match):
        claim(trained, SETTINGS.replace("seed: 1", "seed: 2") + "layer: 3\n")
    (trained / "hyperparams.yaml").write_text(SETTINGS + "layer: 3\n")
    claim(trained, SETTINGS + "layer: 3\n")


@pytest.mark.parametrize(
    "old, new, key",
    [
        ("<lr>", "<seed>", "optimizer"),  # a reference
        ("Adam", "SGD", "optimizer"),  # a class
        ("lr: 0.1", "lr: '0.1'", "lr"),  # a kind
        ("lr: 0.1\n", "", "lr"),  # a key less
    ],
)
def test_what_counts_as_another_setting(trained, old, new, key):
    with pytest.raises(SERError, match=rf"\(different: {key}\)"):
        claim(trained, SETTINGS.replace(old, new))


def test_the_size_of_the_cache_may_change_but_not_whether_there_is_one(tmp_path):
    begin(tmp_path, SETTINGS + "feature_cache_gb: 20\n")
    (tmp_path / "save" / "CKPT+2026").mkdir(parents=True)
    for size in ("40", "2.5", "!ref <seed>", "2026-13-45"):
        claim(tmp_path, f"{SETTINGS}feature_cache_gb: {size}\n")
    for size in ("0", "0.0"):
        with pytest.raises(SERError, match=r"\(different: whether feature_cache_gb is 0\)\."):
            claim(tmp_path, f"{SETTINGS}feature_cache_gb: {size}\n")


def test_where_things_lie_and_for_how_long_may_change(trained):
    changed = SETTINGS.replace("results/here", "elsewhere").replace("epochs: 3", "epochs: 9")
    claim(trained, changed + "data_folder: there\nmanifest_folder: there\nmax_clip_s: 90\n")
    assert (trained / "hyperparams.yaml").read_text() == SETTINGS


def test_how_long_a_cosine_lasts_may_not_change(tmp_path):
    settings = SETTINGS + "lr_schedule: cosine\n"
    begin(tmp_path, settings)
    (tmp_path / "save" / "CKPT+2026").mkdir(parents=True)
    claim(tmp_path, settings)
    with pytest.raises(SERError, match=r"\(different: number_of_epochs\)"):
        claim(tmp_path, settings.replace("epochs: 3", "epochs: 9"))


def test_an_anchor_is_what_it_stands_for(tmp_path):
    begin(tmp_path, "a: &rate 0.1\nb: *rate\n")
    (tmp_path / "save" / "CKPT+2026").mkdir(parents=True)
    claim(tmp_path, "a: 0.1\nb: 0.1\n")
    with pytest.raises(SERError, match=r"\(different: b\)"):
        claim(tmp_path, "a: &rate 0.1\nb: 0.2\n")


def test_checkpoints_of_unknown_settings_are_nobodys(trained):
    (trained / "hyperparams.yaml").unlink()
    match = r"run contains checkpoints, but no hyperparams\.yaml .*another --output_folder"
    with pytest.raises(SERError, match=match):
        claim(trained, SETTINGS)


def test_a_run_of_other_utterances_is_another(trained):
    splits = {"train": ["a", "b"], "valid": ["c"], "tests": {"tiny": ["d"]}}
    require_same_corpora(trained, splits)  # nothing says what it was trained on
    (trained / "splits.json").write_text(json.dumps(splits))
    require_same_corpora(trained, splits)
    grown = {**splits, "train": ["a", "d"], "tests": {"tiny": ["b", "e"]}}
    with pytest.raises(SERError, match="the corpora have changed since") as refused:
        require_same_corpora(trained, grown)
    for words in ("train gains 1 and loses 1", "test set tiny gains 2 and loses 1"):
        assert words in str(refused.value)
    assert "valid" not in str(refused.value)
    (trained / "save" / "CKPT+2026").rmdir()
    require_same_corpora(trained, grown)  # nothing was trained yet


@pytest.mark.parametrize("mark", ["manifest_sha256", "fingerprint"])
def test_a_run_of_other_labels_is_another(trained, mark):
    splits = {"train": ["a"], "valid": ["b"], "corpora": {"tiny": {mark: "1"}, "own": {}}}
    (trained / "splits.json").write_text(json.dumps(splits))
    require_same_corpora(trained, splits)
    corrected = {**splits, "corpora": {"tiny": {mark: "2"}, "own": {}}}
    with pytest.raises(SERError, match="the same utterances of tiny, with other facts or la"):
        require_same_corpora(trained, corrected)


def test_predictions_of_other_settings_are_kept_apart_too(tmp_path):
    begin(tmp_path, "seed: 1\n")
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "emodb.jsonl").touch()
    with pytest.raises(SERError, match=r"contains predictions of other settings"):
        claim(tmp_path, "seed: 2\n")


def test_the_log_has_a_line_per_epoch_and_replaces_those_that_are_repeated(tmp_path):
    log = TrainLog(tmp_path / "train_log.jsonl")
    assert log.read() == []
    for epoch in (1, 2, 3):
        log.write(epoch, train={"loss": 0.5})
    lines = (tmp_path / "train_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
    log.write(epoch=2, train={"loss": 0.4})  # killed before the checkpoint of epoch 2 was whole
    assert log.read() == [{"epoch": n, "train": {"loss": x}} for n, x in ((1, 0.5), (2, 0.4))]


def test_a_kill_while_logging_keeps_the_old_log(tmp_path, monkeypatch):
    log = TrainLog(tmp_path / "train_log.jsonl")
    log.write(1)

    def kill(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ser_brain.core.files.os.replace", kill)
    with pytest.raises(KeyboardInterrupt):
        log.write(2)
    assert log.read() == [{"epoch": 1}]
    assert [p.name for p in tmp_path.iterdir()] == ["train_log.jsonl"]


def test_whether_a_run_has_come_to_its_end(trained):
    assert not is_finished(trained, SETTINGS)
    record = RunRecord(trained)
    assert not is_finished(trained, SETTINGS)
    record.finish()
    assert is_finished(trained, SETTINGS)
    assert is_finished(trained, SETTINGS.replace("results/here", "results/there"))
    assert not is_finished(trained, MORE)
    assert not is_finished(trained, SETTINGS + "max_clip_s: 90\n")
    assert not is_finished(trained.parent, SETTINGS)


def test_a_finished_run_stays_so_until_it_is_begun_again(trained):
    RunRecord(trained).finish()
    before = {path: path.read_bytes() for path in trained.glob("*") if path.is_file()}
    claim(trained, MORE)  # and is refused here
    assert {path: path.read_bytes() for path in trained.glob("*") if path.is_file()} == before
    assert is_finished(trained, SETTINGS)


def test_a_run_of_other_run_options_is_another(trained):
    folder = trained.parent / "other"
    begin(folder, SETTINGS, run_options={"max_grad_norm": 5.0, "device": "cpu"}).finish()
    assert is_finished(folder, SETTINGS)
    assert is_finished(folder, SETTINGS, {"max_grad_norm": 5.0, "device": "cuda", "compile": 1})
    assert not is_finished(folder, SETTINGS, {"max_grad_norm": None})
    begin(folder, SETTINGS, run_options={"max_grad_norm": 1.0})  # nothing is trained yet
    (folder / "save" / "CKPT+2026").mkdir(parents=True)
    begin(folder, SETTINGS, run_options={"max_grad_norm": 1.0, "device": "cuda"})
    with pytest.raises(
        SERError, match="checkpoints of other run options .max_grad_norm was 1.0"
    ):
        begin(folder, SETTINGS, run_options={"max_grad_norm": 5.0})
    begin(trained, SETTINGS, run_options={"max_grad_norm": 5.0})  # of an earlier version


@pytest.mark.parametrize("settings", [SETTINGS, MORE])
@pytest.mark.parametrize("write", ["write_text", "write_checksums", None])
def test_a_run_that_goes_on_is_not_finished_before_its_end(
    trained, settings, write, monkeypatch
):
    RunRecord(trained).finish()
    (trained / "report").mkdir()
    (trained / "report" / "SHA256SUMS").touch()

    def kill(*_):
        raise KeyboardInterrupt

    if write:
        monkeypatch.setattr(run_record, write, kill)
        with pytest.raises(KeyboardInterrupt):
            begin(trained, settings).finish()
    else:
        begin(trained, settings)  # and is killed here
    assert not is_finished(trained, SETTINGS) and not is_finished(trained, MORE)
    assert not (trained / "SHA256SUMS").exists()
    if write != "write_text":
        assert not (trained / "report" / "SHA256SUMS").exists()


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
    assert read(tmp_path)["commit"] is None


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

import json

import pytest

from ser_brain.errors import SERError
from ser_brain.run_folder import TrainLog, claim, is_finished
from ser_brain.run_record import RunRecord

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


@pytest.fixture
def trained(tmp_path):
    """A run folder with a checkpoint."""
    claim(tmp_path / "run", SETTINGS)
    (tmp_path / "run" / "save" / "CKPT+2026").mkdir(parents=True)
    return tmp_path / "run"


def test_a_new_folder_is_taken(tmp_path):
    claim(tmp_path / "run", SETTINGS)
    assert (tmp_path / "run" / "hyperparams.yaml").read_text() == SETTINGS


def test_without_checkpoints_there_is_nothing_to_continue(tmp_path):
    claim(tmp_path, SETTINGS)
    claim(tmp_path, "seed: 2\n")
    assert (tmp_path / "hyperparams.yaml").read_text() == "seed: 2\n"


def test_the_same_settings_continue(trained):
    claim(trained, SETTINGS)


def test_other_settings_are_refused_by_name(trained):
    changed = SETTINGS.replace("seed: 1", "seed: 2").replace("eng", "deu") + "layer: 3\n"
    match = (
        r"run holds checkpoints of other settings \(different: corpora, layer, seed\)\. Choose"
    )
    with pytest.raises(SERError, match=match):
        claim(trained, changed)
    assert (trained / "hyperparams.yaml").read_text() == SETTINGS


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


@pytest.fixture
def cached(tmp_path):
    """A run folder with a checkpoint, trained with a cache of some size."""
    claim(tmp_path / "cached", SETTINGS + "feature_cache_gb: 20\n")
    (tmp_path / "cached" / "save" / "CKPT+2026").mkdir(parents=True)
    return tmp_path / "cached"


@pytest.mark.parametrize("size", ["40", "2.5", "!ref <seed>", "2026-13-45"])
def test_the_size_of_the_cache_may_change(cached, size):
    claim(cached, f"{SETTINGS}feature_cache_gb: {size}\n")


@pytest.mark.parametrize("size", ["0", "0.0"])
def test_whether_there_is_a_cache_may_not(cached, size):
    with pytest.raises(SERError, match=r"\(different: feature_cache_gb\)"):
        claim(cached, f"{SETTINGS}feature_cache_gb: {size}\n")


def test_where_things_lie_and_for_how_long_may_change(trained):
    changed = SETTINGS.replace("results/here", "elsewhere").replace("epochs: 3", "epochs: 9")
    claim(trained, changed + "data_folder: there\nmanifest_folder: there\nmax_clip_s: 90\n")
    assert "number_of_epochs: 9" in (trained / "hyperparams.yaml").read_text()


@pytest.mark.parametrize(
    "old, new",
    [
        ("  # a comment", ""),
        ("seed: 1", "# why\nseed:    1"),
        (
            "{corpus: demo, where: {language: eng}}",
            "corpus: demo\n    where:\n      language: eng",
        ),
        ("language: eng", "language: 'eng'"),
        ("corpus: demo", 'corpus: "demo"'),
    ],
)
def test_comments_and_layout_do_not_count(trained, old, new):
    assert old in SETTINGS
    claim(trained, SETTINGS.replace(old, new))


def test_an_anchor_is_what_it_stands_for(tmp_path):
    claim(tmp_path, "a: &rate 0.1\nb: *rate\n")
    (tmp_path / "save" / "CKPT+2026").mkdir(parents=True)
    claim(tmp_path, "a: 0.1\nb: 0.1\n")
    with pytest.raises(SERError, match=r"\(different: b\)"):
        claim(tmp_path, "a: &rate 0.1\nb: 0.2\n")


def test_the_order_of_keys_does_not_count(trained):
    first, rest = SETTINGS.split("\n", 1)
    claim(trained, rest + first + "\n")


def test_checkpoints_of_unknown_settings_are_nobodys(trained):
    (trained / "hyperparams.yaml").unlink()
    match = r"run holds checkpoints, but no hyperparams\.yaml .*Choose another --output_folder"
    with pytest.raises(SERError, match=match):
        claim(trained, SETTINGS)


def test_predictions_of_other_settings_are_kept_apart_too(tmp_path):
    claim(tmp_path, "seed: 1\n")
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "emodb.jsonl").touch()
    with pytest.raises(SERError, match=r"holds predictions of other settings"):
        claim(tmp_path, "seed: 2\n")


def test_the_log_has_a_line_per_epoch(tmp_path):
    log = TrainLog(tmp_path / "train_log.jsonl")
    assert log.read() == []
    log.write(1, train={"loss": 0.5}, valid={"loss": 0.6})
    log.write(epoch=2, train={"loss": 0.4}, valid={"loss": 0.5})
    lines = (tmp_path / "train_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    assert TrainLog(tmp_path / "train_log.jsonl").read() == log.read()
    assert log.read()[1] == {"epoch": 2, "train": {"loss": 0.4}, "valid": {"loss": 0.5}}


def test_a_resumed_run_replaces_what_it_repeats(tmp_path):
    log = TrainLog(tmp_path / "train_log.jsonl")
    for epoch in (1, 2, 3):
        log.write(epoch, run="first")
    log.write(2, run="second")  # Killed before the checkpoint of epoch 2 was whole.
    assert [(e["epoch"], e["run"]) for e in log.read()] == [(1, "first"), (2, "second")]
    log.write(3, run="second")
    assert [(e["epoch"], e["run"]) for e in log.read()][2] == (3, "second")


def test_a_kill_while_logging_keeps_the_old_log(tmp_path, monkeypatch):
    log = TrainLog(tmp_path / "train_log.jsonl")
    log.write(1)

    def kill(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ser_brain.files.os.replace", kill)
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
    assert not is_finished(trained, SETTINGS.replace("epochs: 3", "epochs: 4"))
    assert not is_finished(trained.parent, SETTINGS)


def test_a_run_that_goes_on_is_not_finished_before_its_end(trained):
    RunRecord(trained).finish()
    more = SETTINGS.replace("epochs: 3", "epochs: 4")
    claim(trained, more)  # and is killed here
    assert not is_finished(trained, more)

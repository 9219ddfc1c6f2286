"""The fast mode of hparams/finetune, end to end: it learns, resumes and repeats bit by bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from ser_brain.core.files import write_checksums
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.training.brain import SERBrain
from tests.models.test_encoders_loading import saved
from tests.tiny_corpus import run_train, settings, write_corpus

RECIPE = "finetune/multiobjective.yaml"


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> tuple[Path, Path]:
    """A corpus and a tiny wav2vec 2.0 checkpoint."""
    folder = tmp_path_factory.mktemp("material")
    saved(folder / "encoder", "wav2vec2-base")
    return write_corpus(folder / "tiny", clips=3), folder / "encoder"


@pytest.fixture
def run(material, tmp_path, monkeypatch):
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))

    def run(name: str, epochs: int, code: int = 0, **more) -> Path:
        corpus, encoder = material
        more = {"encoder_source": encoder, "number_of_epochs": epochs, "batch_size": 4, **more}
        assert run_train(RECIPE, *settings(corpus, tmp_path / name, **more)) == code
        return tmp_path / name

    return run


def log_of(folder: Path) -> list[dict]:
    lines = (folder / "train_log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def test_a_continued_run_ends_as_an_undisturbed_one(run, tmp_path, capsys):
    straight = run("straight", 4)
    run("continued", 2)
    shutil.rmtree(tmp_path / "cache")
    run("continued", 4, code=2, feature_cache_gb=1e-9)  # not on features that are not rounded
    assert "trained on cached features, which are rounded" in capsys.readouterr().err
    continued = run("continued", 4, feature_cache_gb=1)
    assert log_of(continued) == log_of(straight)
    ours, theirs = (
        read_predictions(folder / "predictions" / "tiny.jsonl")
        for folder in (continued, straight)
    )
    assert ours.ids == theirs.ids
    assert (ours.log_probs_NC == theirs.log_probs_NC).all()


def test_what_began_without_room_goes_on_without_the_cache(run, capsys):
    run("narrow", 1, feature_cache_gb=1e-9)
    assert "no room to cache" in capsys.readouterr().err
    cached = run("cached", 2)
    narrow = run("narrow", 2, feature_cache_gb=1)  # has room now, and all it needs
    assert log_of(narrow) == log_of(run("exact", 2, feature_cache_gb=0)) != log_of(cached)


def test_an_earlier_checkpoint_that_a_killed_epoch_did_not_remove_goes(run):
    """That of an epoch which is neither the best nor the latest."""
    save = run("run", 1) / "save"
    kept = {*save.glob("CKPT+*")}  # of epoch 0, or 1, or both
    latest = max(kept, key=lambda path: metadata(path)["epoch"])
    earlier = shutil.copytree(latest, latest.with_name("CKPT+2020-01-01+00-00-00+00"))
    meta = metadata(earlier)
    meta |= {"loss": meta["loss"] + 1, "unixtime": meta["unixtime"] - 60}
    (earlier / "CKPT.yaml").write_text(yaml.safe_dump(meta))
    write_checksums(earlier)
    run("run", 1)
    assert {*save.glob("CKPT+*")} == kept


def metadata(checkpoint: Path) -> dict:
    return yaml.safe_load((checkpoint / "CKPT.yaml").read_text())


def test_rounded_features_change_the_losses_little(run):
    cached, exact = run("cached", 3), run("exact", 3, feature_cache_gb=0)
    for ours, theirs in zip(log_of(cached), log_of(exact), strict=True):
        if ours["epoch"]:  # nothing was trained before epoch 1
            assert ours["train"]["loss"] == pytest.approx(theirs["train"]["loss"], rel=2e-3)
        assert ours["valid"]["loss"] == pytest.approx(theirs["valid"]["loss"], rel=2e-3)


def test_batches_of_other_clips_each_epoch_and_weights_read_once(run, monkeypatch):
    steps, recovered = [], []
    weighted_sum, recover = SERBrain.weighted_sum, SERBrain.recover

    def record(brain, losses, stage):
        loss = weighted_sum(brain, losses, stage)
        if stage.name == "TRAIN":
            steps.append((tuple(brain.batch_ids), loss.item()))
        return loss

    def count(brain, *keys):
        recovered.append(keys)
        return recover(brain, *keys)

    monkeypatch.setattr(SERBrain, "weighted_sum", record)
    monkeypatch.setattr(SERBrain, "recover", count)
    folder = run("run", 2)
    # The best for the sets that the last head is fitted to, and that head for the test set.
    assert recovered == [(None, "loss"), (None, "refit")]
    trained = json.loads((folder / "splits.json").read_text())["train"]
    half = len(steps) // 2
    epochs = [[ids for ids, _ in part] for part in (steps[:half], steps[half:])]
    for epoch in epochs:
        assert sorted(i for ids in epoch for i in ids) == sorted(trained)
    assert epochs[0] != epochs[1]
    # Each clip counts the same: what moves the model in an epoch is the sum over clips.
    mean = sum(loss for _, loss in steps[:half]) * 4 / len(trained)
    assert mean == pytest.approx(log_of(folder)[1]["train"]["loss"], rel=1e-5)

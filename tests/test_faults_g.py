"""Faults that users met, as they met them: each test drives the real command."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import train
from tests.tiny_corpus import settings, write_corpus

ROOT = Path(__file__).parent.parent


def run_train(monkeypatch, *arguments: str) -> int:
    recipe = str(ROOT / "hparams" / "classification.yaml")
    monkeypatch.setattr(sys, "argv", ["train.py", recipe, *arguments, "--device=cpu"])
    return train.main()


@pytest.fixture
def disk(monkeypatch):
    """Set what is free on the disk, in bytes."""

    def has(free: int) -> None:
        usage = shutil.disk_usage(ROOT)._replace(free=free)
        monkeypatch.setattr("ser_brain.checkpoint_room.shutil.disk_usage", lambda _: usage)

    return has


def test_a_run_needs_room_for_the_checkpoints_that_are_to_come(
    tmp_path, monkeypatch, capsys, disk
):
    """Issue 13, 14: a finished run needs none, one that goes on needs one more than it has."""
    folder = tmp_path / "run"
    corpus = write_corpus(tmp_path / "tiny")
    arguments = settings(corpus, folder, number_of_epochs=2)
    disk(10**5)
    assert run_train(monkeypatch, *arguments) == 2
    assert "has 0.00 GB free, the checkpoints need about" in capsys.readouterr().err

    disk(10**12)
    assert run_train(monkeypatch, *arguments) == 0
    kept = sorted(folder.glob("save/CKPT+*"))
    size = max(sum(file.stat().st_size for file in each.iterdir()) for each in kept)
    disk(0)
    shutil.rmtree(folder / "report")
    assert run_train(monkeypatch, *arguments) == 0
    assert (folder / "report" / "index.html").is_file()

    further = [*arguments, "--number_of_epochs=3"]
    disk(size // 2)
    assert run_train(monkeypatch, *further) == 2
    assert sorted(folder.glob("save/CKPT+*")) == kept
    disk(size + size // 10)
    assert run_train(monkeypatch, *further) == 0

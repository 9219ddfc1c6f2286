"""Options of a run: accumulated gradients, clipped norms, skipped batches, room on the disk."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from ser_brain.publishing.verify import DIFFERS, verify
from tests.tiny_corpus import epochs, loaded


def steps(folder: Path) -> int:
    """How many steps the optimizer took, as SpeechBrain notes it in the last checkpoint."""
    notes = (max(folder.glob("save/CKPT+*")) / "brain.ckpt").read_text()
    return int(re.search(r"optimizer_step: (\d+)", notes)[1])


@pytest.mark.parametrize(
    "option", ["--debug", "--optimizer_step_limit=1", "--device=mps", "--jit"]
)
def test_a_run_option_that_cannot_work_is_refused_in_one_line(option, train_in):
    """--debug reported on half of the test set; others left tracebacks."""
    folder, error = train_in("run", option, code=2)
    assert error.count("\n") == 1 and option.partition("=")[0].lstrip("-") in error
    assert not folder.exists()


@pytest.mark.parametrize("batching", ["random", "dynamic"])
def test_more_batches_for_a_step_than_an_epoch_has(batching, train_in):
    """A factor of 4 with 2 batches took no step at all."""
    option, changes = "--grad_accumulation_factor=4", {"batch_size": 16, "batching": batching}
    assert steps(train_in("run", option, **changes)[0]) == 2


def test_run_options_are_recorded_kept_and_verified(train_in):
    """Neither the record nor the next command knew of them."""
    folder, _ = train_in("run", "--grad_accumulation_factor=2", "--max_grad_norm=1")
    record, before = loaded(folder / "run.json"), (folder / "run.json").read_bytes()
    options = {"grad_accumulation_factor": 2, "max_grad_norm": 1.0, "device": "cpu"}
    options |= {"precision": "fp32", "eval_precision": "fp32"}
    assert options.items() <= record["run_options"].items()

    _, said = train_in("run", "--max_grad_norm=1", number_of_epochs=3, code=2)
    assert "grad_accumulation_factor was 2" in said
    assert (folder / "run.json").read_bytes() == before
    assert DIFFERS not in {check.state for check in verify(folder)}

    record["run_options"]["max_grad_norm"] = 5.0
    (folder / "run.json").write_text(json.dumps(record))
    reasons = {check.item: check.reason for check in verify(folder)}
    assert "max_grad_norm 1.0, not 5.0" in reasons["run.json"]


def test_a_norm_below_zero_clips_nothing(train_in):
    """SpeechBrain's way to disable clipping turned the gradients round."""
    folders = [train_in(f"norm{norm}", f"--max_grad_norm={norm}")[0] for norm in ("-1", "1e9")]
    none, high = ([epoch["train"] for epoch in epochs(folder)] for folder in folders)
    assert none == high


def test_only_testing_needs_the_epochs_that_were_asked_for(train_in):
    """A run of one epoch of three passed for finished."""
    train_in("run", number_of_epochs=1)
    _, said = train_in("run", "--test_only", number_of_epochs=3, code=2)
    assert "--test_only: 1 of 3 epochs are trained" in said
    train_in("run", "--test_only", number_of_epochs=1)


@pytest.mark.parametrize("factor", [1, 2])
def test_a_skipped_batch_is_not_in_the_train_loss(factor, train_in, spoiled_batch):
    """A batch whose gradient overflowed was skipped, and counted."""
    # The root is 0, with an infinite gradient.
    spoiled_batch(lambda found: found - 1000 + (found - found.detach()).sqrt())
    option = f"--grad_accumulation_factor={factor}"
    folder, _ = train_in("run", option, nonfinite_batches="skip", batch_size=6)
    assert [epoch["skipped_batches"] for epoch in epochs(folder)] == [factor, factor]
    assert all(epoch["train"]["loss"] < 100 for epoch in epochs(folder))


def test_a_run_needs_room_for_the_checkpoints_that_are_to_come(train_in, tmp_path, monkeypatch):
    """A finished run needs none, one that goes on needs one more than it has."""
    usage = shutil.disk_usage(tmp_path)

    def free(size: int) -> None:
        left = usage._replace(free=size)
        monkeypatch.setattr("ser_brain.training.checkpoints.shutil.disk_usage", lambda _: left)

    free(10**5)
    _, said = train_in("run", code=2)
    assert "has 0.00 GB free, the checkpoints need about" in said

    free(10**12)
    folder, _ = train_in("run")
    kept = sorted(folder.glob("save/CKPT+*"))
    size = max(sum(file.stat().st_size for file in each.iterdir()) for each in kept)
    free(0)
    shutil.rmtree(folder / "report")
    train_in("run")
    assert (folder / "report" / "index.html").is_file()

    free(size // 2)
    train_in("run", number_of_epochs=3, code=2)
    assert sorted(folder.glob("save/CKPT+*")) == kept
    free(size + size // 10)
    train_in("run", number_of_epochs=3)

"""A continued run has each epoch once in TensorBoard; a missing package is said."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import shutil
import sys
import types

import pytest

from ser_brain.core.errors import SERError
from ser_brain.training.experiment_log import ExperimentLog, require_logger
from tests.models.test_encoders_loading import saved
from tests.tiny_corpus import write_corpus
from tests.training.short_runs import fit, log


def test_an_interrupted_run_has_each_epoch_once(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    saved(tmp_path / "encoder", "wav2vec2-base")
    run = write_corpus(tmp_path / "tiny"), tmp_path / "encoder", tmp_path / "run"
    fit(*run, interrupt_after=3, number_of_epochs=4, experiment_logger="tensorboard")
    # As if killed before the checkpoint of the third epoch was written.
    shutil.rmtree(max((tmp_path / "run").glob("save/CKPT+*")))
    fit(*run, number_of_epochs=4, experiment_logger="tensorboard")
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    epochs = log(tmp_path / "run")
    # Epoch 0 is validated before anything is trained.
    assert [epoch["epoch"] for epoch in epochs] == [0, 1, 2, 3, 4]
    expected = {
        "nll/train": {epoch["epoch"]: epoch["train"]["nll"] for epoch in epochs[1:]},
        "uar/valid": {epoch["epoch"]: epoch["valid"]["uar"] for epoch in epochs},
        "lr/encoder": {epoch["epoch"]: epoch["lr"]["encoder"] for epoch in epochs},
    }
    for tag, values in expected.items():
        scalars = {scalar.step: scalar.value for scalar in found.Scalars(tag)}
        assert scalars == pytest.approx(values) and len(found.Scalars(tag)) == len(values)


def test_what_was_trained_without_tensorboard_is_added(tmp_path):
    """Also the last epoch of a run that was interrupted right after its checkpoint."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    saved(tmp_path / "encoder", "wav2vec2-base")
    run = write_corpus(tmp_path / "tiny"), tmp_path / "encoder", tmp_path / "run"
    fit(*run, number_of_epochs=2)
    fit(*run, number_of_epochs=2, experiment_logger="tensorboard")
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [scalar.step for scalar in found.Scalars("uar/valid")] == [0, 1, 2]


class Collected:
    """In place of a logger's own object: its step, and the steps that it was given."""

    def __init__(self, step: int) -> None:
        self.step, self.given, self.run = step, [], self

    def log_stats(self, meta, train, valid) -> None:
        self.given.append(meta["epoch"])


@pytest.mark.parametrize(("step", "expected"), [(0, [0, 1, 2]), (1, [1, 2]), (3, [])])
def test_weights_and_biases_gets_the_epochs_from_its_next_step_on(
    step, expected, tmp_path, monkeypatch
):
    wandb = types.ModuleType("wandb")
    wandb.init, wandb.__spec__ = None, importlib.machinery.ModuleSpec("wandb", None)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    made = Collected(step)
    loggers = importlib.import_module("speechbrain.utils.train_logger")
    monkeypatch.setattr(loggers, "WandBLogger", lambda *_, **__: made)
    epochs = [
        {"epoch": n, "train": {}, "valid": {}, "lr": {}, "seconds": 1.0} for n in range(3)
    ]
    ExperimentLog("wandb", tmp_path, {}).write(lambda: epochs)
    assert made.given == expected


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_package_is_said(name, tmp_path):
    if importlib.util.find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    message = f"{name}, which is not installed: pip install 'ser-recipes\\[{name}\\]', or"
    with pytest.raises(SERError, match=message):
        ExperimentLog(name, tmp_path, {})
    require_logger(None)

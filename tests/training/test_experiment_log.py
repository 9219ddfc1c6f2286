"""A continued run has each epoch once in TensorBoard; a missing package is said."""

from __future__ import annotations

import importlib.util
import shutil

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
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 4]
    expected = {
        "nll/train": [epoch["train"]["nll"] for epoch in epochs],
        "uar/valid": [epoch["valid"]["uar"] for epoch in epochs],
        "lr/encoder": [epoch["lr"]["encoder"] for epoch in epochs],
    }
    for tag, values in expected.items():
        scalars = found.Scalars(tag)
        assert [scalar.step for scalar in scalars] == [1, 2, 3, 4]
        assert [scalar.value for scalar in scalars] == pytest.approx(values)


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_package_is_said(name, tmp_path):
    if importlib.util.find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    message = f"{name}, which is not installed: pip install 'ser-recipes\\[{name}\\]', or"
    with pytest.raises(SERError, match=message):
        ExperimentLog(name, tmp_path, {})
    require_logger(None)

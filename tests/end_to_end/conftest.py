"""Commands as a user gives them, on a corpus small enough to learn in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipes.classification import ClassificationBrain
from ser_brain.__main__ import main
from tests.tiny_corpus import run_train, settings, write_corpus


@pytest.fixture
def ser(capsys):
    """Run a command that must end with this exit code; gives what it prints."""

    def ser(*arguments, code=0):
        capsys.readouterr()
        found, said = main([*map(str, arguments)]), capsys.readouterr()
        assert found == code, (arguments, said.err)
        return said

    return ser


@pytest.fixture
def facts(ser):
    """What a command prints as JSON."""
    return lambda *command: json.loads(ser(*command, "--json").out)


@pytest.fixture
def refused(ser):
    """The one line of error of a command that must be refused."""

    def refused(*command):
        printed = ser(*command, code=2).err
        assert printed.startswith("error: ") and printed.count("\n") == 1, printed
        return printed

    return refused


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def train_in(corpus, tmp_path, capsys):
    """Train in a folder of this name, which must end with this exit code; folder, output."""

    def train_in(name, *options, recipe="classification.yaml", code=0, **changes):
        folder = tmp_path / name
        capsys.readouterr()
        found = run_train(recipe, *settings(corpus, folder, **changes), *options)
        said = "".join(reversed(capsys.readouterr()))
        assert found == code and "Traceback" not in said, said
        return folder, said

    return train_in


@pytest.fixture
def spoiled_batch(monkeypatch):
    """Change the log-probabilities of one training clip's batch; gives a list with its id."""

    def spoiled_batch(change):
        real, victim = ClassificationBrain.compute_forward, []

        def compute_forward(self, batch, stage):
            predictions = real(self, batch, stage)
            if stage.name == "TRAIN" and (not victim or victim[0] in batch.id):
                victim[:] = victim or [batch.id[0]]
                predictions["log_probabilities"] = change(predictions["log_probabilities"])
            return predictions

        monkeypatch.setattr(ClassificationBrain, "compute_forward", compute_forward)
        return victim

    return spoiled_batch

"""A model folder to load, and one to break."""

import shutil
import socket

import pytest

from tests.inference.tiny_models import write_model


@pytest.fixture(scope="session")
def wav2vec2_folder(tmp_path_factory):
    """A tiny wav2vec 2.0 model with both heads."""
    folder = tmp_path_factory.mktemp("models") / "wav2vec2"
    write_model(folder)
    return folder


@pytest.fixture
def folder(wav2vec2_folder, tmp_path):
    """A copy of it to change."""
    return shutil.copytree(wav2vec2_folder, tmp_path / "model")


@pytest.fixture
def offline(monkeypatch):
    """No socket connects."""

    def refuse(*args, **kwargs):
        raise OSError("a test tried to reach the network")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

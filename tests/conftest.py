"""Fixtures that tests of several packages take."""

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_brain.reporting.html import UNTITLED
from ser_brain.reporting.plots import frame

DRAW = frame.save
SKETCHES = {"svg": b"<svg></svg>", "png": b"\x89PNG", "pdf": b"%PDF"}


def sketch(figure, stem, for_papers=True):
    """Write the files of a figure without what they show."""
    untitled = [f"{UNTITLED}.svg", f"{UNTITLED}.pdf"] if for_papers else []
    for end in [".svg", ".png", *untitled]:
        Path(f"{stem}{end}").write_bytes(SKETCHES[end[-3:]])


@pytest.fixture(scope="session", autouse=True)
def sketched():
    """No figure is drawn, which would take nine tenths of the time of a short run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame, "save", sketch)
        yield


@pytest.fixture
def drawn(monkeypatch):
    """Figures are drawn, for a test that looks at them."""
    monkeypatch.setattr(frame, "save", DRAW)


@pytest.fixture
def tone(tmp_path):
    """Write a 440 Hz tone; gives its path."""

    def tone(name="a.wav", rate_hz=16000, seconds=0.1, channels=1, subtype="FLOAT", level=0.5):
        times_s = np.arange(round(seconds * rate_hz)) / rate_hz
        samples = level * np.sin(2 * np.pi * 440 * times_s)
        samples = np.stack([samples * (n + 1) for n in range(channels)], axis=1)
        soundfile.write(tmp_path / name, samples, rate_hz, subtype=subtype)
        return str(tmp_path / name)

    return tone


@pytest.fixture(scope="session")
def wav2vec2_folder(tmp_path_factory):
    """A tiny wav2vec 2.0 model with both heads, to load."""
    from tests.inference.tiny_models import write_model  # imports torch

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

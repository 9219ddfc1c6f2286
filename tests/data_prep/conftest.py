"""Small audio files and the command that prepares them."""

import json
import logging
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from data_prep.__main__ import main


def write_wav(
    path: Path, seconds: float = 0.3, rate_hz: int = 16000, level: float = 0.1
) -> Path:
    """Noise that is different in every file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32(str(path).encode(errors="replace")))
    samples = rng.normal(0, level, round(seconds * rate_hz)).astype("float32")
    with open(path, "wb") as file:
        soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return path


class Run(NamedTuple):
    """What the command left behind."""

    code: int
    out: str
    err: str
    folder: Path

    def manifest(self, name: str) -> dict:
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def card(self, name: str) -> dict:
        return json.loads((self.folder / f"{name}.card.json").read_text(encoding="utf-8"))


@pytest.fixture
def wav():
    return write_wav


@pytest.fixture
def run(tmp_path, capsys):
    """Run ``python -m data_prep NAME --data_folder DATA ...`` in this process."""

    def command(name: str, data: Path | None, *more: str) -> Run:
        folder = tmp_path / "manifests"
        where = [] if data is None else ["--data_folder", str(data)]
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        try:
            code = main([name, *where, "--manifest_folder", str(folder), *map(str, more)])
        finally:
            root.handlers[:], root.level = handlers, level
        out, err = capsys.readouterr()
        return Run(code, out, err, folder)

    return command


def one_error(run: Run) -> str:
    """The single error line of a run that the user can mend."""
    assert run.code == 2
    lines = [line for line in run.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and run.err.splitlines()[-1] == lines[0]
    assert "Traceback" not in run.err
    return lines[0]


@pytest.fixture
def error():
    return one_error

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


@pytest.fixture
def wav():
    """Write noise that is different in every file."""

    def wav(path: Path, seconds: float = 0.3, rate_hz: int = 16000, level: float = 0.1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(zlib.crc32(str(path).encode(errors="replace")))
        samples = rng.normal(0, level, round(seconds * rate_hz)).astype("float32")
        with open(path, "wb") as file:
            soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
        return path

    return wav


class Run(NamedTuple):
    """What a command that succeeded left behind."""

    err: str
    folder: Path

    @property
    def manifest(self) -> dict:
        (card,) = self.folder.glob("*.card.json")
        return json.loads(card.with_name(card.name.replace(".card", "")).read_text("utf-8"))

    @property
    def entries(self) -> list[dict]:
        return list(self.manifest.values())

    @property
    def card(self) -> dict:
        (card,) = self.folder.glob("*.card.json")
        return json.loads(card.read_text("utf-8"))


@pytest.fixture
def command(tmp_path, capsys):
    """Exit code and errors of ``python -m data_prep NAME --data_folder DATA ...``."""

    def command(name: str, data: Path | None, *more: str) -> tuple[int, str]:
        where = [] if data is None else ["--data_folder", str(data)]
        where += ["--manifest_folder", str(tmp_path / "manifests")]
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        try:
            code = main([name, *where, *map(str, more)])
        finally:
            root.handlers[:], root.level = handlers, level
        return code, capsys.readouterr().err

    return command


@pytest.fixture
def run(command, tmp_path):
    """Run the command, which must succeed."""

    def run(*arguments) -> Run:
        code, err = command(*arguments)
        assert code == 0, err
        return Run(err, tmp_path / "manifests")

    return run


@pytest.fixture
def error(command):
    """What the command says where the user can help: warnings, and one error in the end."""

    def error(*arguments) -> str:
        code, err = command(*arguments)
        lines = err.splitlines()
        assert code == 2 and "Traceback" not in err
        assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
        return err.rstrip("\n")

    return error

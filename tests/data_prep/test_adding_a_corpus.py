"""A file dropped into data_prep/ is found with no other edit; the page's example runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.__main__ import parser_for

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding_a_corpus.md").read_text(encoding="utf-8")


@pytest.fixture
def command(tmp_path):
    """``python -m data_prep`` on a copy of the folder, to drop a file into."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "data_prep", copy / "data_prep", ignore=lambda *_: ["__pycache__"])

    def run(*arguments: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "data_prep", *map(str, arguments)],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
            check=False,
        )

    return copy / "data_prep", run


def test_the_example_of_the_page_runs(command, tmp_path, wav):
    package, run = command
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    before = run("--help").stdout
    (package / "smiles.py").write_text(code, encoding="utf-8")
    assert "smiles" not in before
    assert re.search("smiles +Smiles: people reading one sentence", run("--help").stdout)

    data = tmp_path / "smiles"
    (data / "audio").mkdir(parents=True)
    (data / "labels.csv").write_text("clip,mood,stars\nanna_01,glad,6\nben_02,-,4\n")
    for name in ("anna_01", "ben_02"):
        wav(data / "audio" / f"{name}.wav")
    line = next(x for x in PAGE.splitlines() if x.startswith("python -m data_prep smiles"))
    line = line.replace("~/smiles", str(data)).replace(" manifests", f" {tmp_path}/manifests")
    done = run(*line.split()[3:])
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "manifests" / "smiles.json").read_text())
    assert manifest["smiles_anna_01"]["labels"] == {
        "intended": {"emotion": "happiness", "raw": "glad"},
        "consensus": {"emotion": None, "raw": None, "vad": {"valence": 6.0}},
    }
    assert "full one" not in done.stderr  # the counts are as expected

    wav(data / "audio" / "eve_03.wav")
    done = run(*line.split()[3:])
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "error: smiles: 1 of 3 utterances cannot be used (1 without a label: audio/eve_03.wav)"
    )


def test_the_tables_example_names_options_that_exist():
    options = set(re.findall(r"--(\w+)", PAGE.partition("## A table instead")[2]))
    known = parser_for("table").format_help()
    assert len(options) >= 8
    assert [option for option in options if f"--{option} " not in known] == []


def test_a_broken_file_does_not_hide_the_others(command):
    package, run = command
    (package / "broken.py").write_text("def (:")
    done = run("--help")
    assert done.returncode == 0
    assert re.search(r"broken +\(cannot be read: invalid syntax", done.stdout)
    assert re.search("emodb +Emo-DB", done.stdout)

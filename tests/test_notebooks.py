"""The notebooks run from top to bottom, in this order and in one folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ser_brain.core.tables import Table
from ser_brain.reporting.notebook import Figure, Report

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ("train_and_judge", "circumplex_and_mood", "adapt_to_a_speaker")
BASH = "%%bash\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the first one trains, and the others find the run. ``ser`` is that of the tests."""
    folder = tmp_path_factory.mktemp("notebooks")
    command = folder / "bin" / "ser"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ser_brain "$@"\n')
    command.chmod(0o755)
    return folder


def run_cells(name, folder, monkeypatch):
    """What the cells show: the values of those that end with an expression."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    names, shown = {}, []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            continue
        if source.startswith(BASH):
            subprocess.run(["bash", "-ec", source.removeprefix(BASH)], check=True)
            continue
        *lines, last = source.splitlines()
        try:
            value = compile(last, name, "eval")
        except SyntaxError:
            exec(compile(source, name, "exec"), names)
            continue
        exec(compile("\n".join(lines), name, "exec"), names)
        shown.append(eval(value, names))
    return shown


@pytest.mark.skipif(os.name == "nt", reason="the cells of commands need bash")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_notebook_runs(name, folder, monkeypatch):
    shown = run_cells(name, folder, monkeypatch)
    assert any(isinstance(value, Report | Figure | Table) for value in shown)
    if name == "adapt_to_a_speaker":
        judged = shown[-1]["judged"]
        assert judged["clips"] == 288 and judged["difference"]["low"] > 0


def test_the_notebooks_hold_what_they_show():
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert [path.stem for path in paths] == sorted(NOTEBOOKS)
    for path in paths:
        text = path.read_text(encoding="utf-8")
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        kinds = [set(output.get("data", {})) for cell in cells for output in cell["outputs"]]
        assert any("text/html" in kind for kind in kinds)
        assert len(text) < 200_000 and '"error"' not in text and str(Path.home()) not in text

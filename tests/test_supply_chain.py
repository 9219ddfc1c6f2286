"""No source runs what a file contains, packages are pinned, imports reach no network."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from speechbrain.utils.checkpoints import torch_recovery

from docs.licences import BEGIN, PAGE, PROJECT, dependencies

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path
    for folder in ("ser_brain", "data_prep", "recipes", "benchmarks", "fuzz", "docs")
    for path in (ROOT / folder).rglob("*.py")
) + [ROOT / "train.py"]
BY_TORCH = ("nvidia-", "cuda-toolkit", "triton")  # torch asks for one version of each

# Modules that create whatever objects a file names.
PICKLES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
RUNS = {"eval", "exec", "__import__"}
FORBIDDEN = {
    *(("os", "system"), ("os", "popen"), ("tempfile", "mktemp")),
    *(("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load")),
    *(("subprocess", "getoutput"), ("subprocess", "getstatusoutput")),
}
NEEDED = {("torch", "load"): ("weights_only", True), ("np", "load"): ("allow_pickle", False)}
# data_prep imports a corpus's module by a name that it has found among its own files.
ALLOWED = {("data_prep/__main__.py", "__import__")}


def risks(path):
    """What in a source file could run the content of a file or an argument."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = path.relative_to(ROOT).as_posix()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            named += [alias.name for alias in node.names]
            for imported in PICKLES & {module.split(".")[0] for module in named}:
                yield f"{name}:{node.lineno} imports {imported}"
        if not isinstance(node, ast.Call):
            continue
        keywords = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
        if keywords.get("shell"):
            yield f"{name}:{node.lineno} starts a shell"
        if isinstance(node.func, ast.Name) and node.func.id in RUNS:
            if (name, node.func.id) not in ALLOWED:
                yield f"{name}:{node.lineno} calls {node.func.id}"
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            called = (node.func.value.id, node.func.attr)
            keyword, value = NEEDED.get(called, (None, None))
            if called in FORBIDDEN or (keyword and keywords.get(keyword) is not value):
                yield f"{name}:{node.lineno} calls {'.'.join(called)}"


def test_no_source_runs_what_a_file_says():
    assert len(SOURCES) > 100
    assert [risk for path in SOURCES for risk in risks(path)] == []


RISKS = {
    "import pickle": "imports pickle",
    "from joblib import load": "imports joblib",
    "subprocess.run('ls', shell=True)": "starts a shell",
    "torch.load('x')": "calls torch.load",
    "np.load('x', allow_pickle=True)": "calls np.load",
    "eval('1')": "calls eval",
    "tempfile.mktemp()": "calls tempfile.mktemp",
}


def test_the_check_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "a.py").write_text("\n".join(RISKS))
    expected = [f"a.py:{line} {risk}" for line, risk in enumerate(RISKS.values(), start=1)]
    assert sorted(risks(tmp_path / "a.py")) == expected


class Harm:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_speechbrain_reads_only_tensors_of_a_checkpoint(tmp_path):
    torch.save({"weight": Harm(tmp_path / "harm")}, tmp_path / "model.ckpt")
    with pytest.raises(Exception, match="[Ww]eights_only"):
        torch_recovery(torch.nn.Linear(1, 1), tmp_path / "model.ckpt", end_of_epoch=False)
    assert not (tmp_path / "harm").exists()


def test_every_package_is_pinned():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate():
            assert str(pin.specifier).startswith("==") and pin.name not in pinned, line
            pinned[pin.name] = str(pin.specifier).removeprefix("==")
    needed = {
        name
        for name in dependencies(PROJECT, frozenset({"dev"}))
        if not name.startswith(BY_TORCH) and name != "setuptools"  # see pyproject.toml
    }
    assert needed - pinned.keys() == set()
    assert len(needed) > 50


def test_the_page_lists_every_package():
    listed = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2]
    rows = re.findall(r"^\| ([\w-]+) \| ([\w.+-]+) \| (.+?) \|", listed, re.MULTILINE)
    names = {name for name, *_ in rows}
    asked = dependencies(PROJECT, frozenset({"dev"}))
    assert {name for name, by in asked.items() if PROJECT in by} <= names
    assert len(rows) > 70


WITHOUT_NETWORK = """
import importlib, pathlib, socket, sys

def refuse(*_, **__):
    raise OSError("an import tried to reach the network")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = socket.create_connection = refuse
for package in ("ser_brain", "data_prep", "recipes"):
    for path in sorted(pathlib.Path(package).rglob("*.py")):
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        if not name.endswith("__main__"):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                assert error.name.split(".")[0] not in ("ser_brain", "data_prep"), error
print("all of", len(sys.modules))
"""


def test_nothing_reaches_the_network_on_import():
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_NETWORK]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("all of")

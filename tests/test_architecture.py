"""The order of the packages, where torch and matplotlib may be, the examples in docstrings.

Imports are read from the source, wherever in a file they are.
"""

import ast
import doctest
import functools
import graphlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A package imports from itself and from those before it.
ORDER = ("core", "data", "models", "evaluation", "training", "reporting", "analysis")
ORDER += ("inference", "publishing", "cli")
TORCH = {"torch", "torchaudio", "speechbrain", "transformers"}


@functools.cache
def modules():
    """Module name -> path, of everything that is shipped."""
    paths = [ROOT / "train.py"]
    paths += [
        p for top in ("ser_brain", "recipes", "data_prep") for p in ROOT.glob(f"{top}/**/*.py")
    ]
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in paths}
    return {".".join(parts[path]).removesuffix(".__init__"): path for path in paths}


@functools.cache
def imports(module, at_import=False):
    """Modules that a module imports; with ``at_import``, only when it is imported itself.

    What only type checkers import is no dependency.
    """
    nodes = list(ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))))
    later = [n for n in nodes if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    later += [n for n in nodes if at_import and isinstance(n, ast.FunctionDef)]
    skipped = {id(n) for block in later for n in ast.walk(block)}
    nodes = [n for n in nodes if id(n) not in skipped]
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & modules().keys() or {node.module}
    return frozenset(found - {"__future__"})


def reached(module):
    """Top-level packages of others that importing a module imports."""
    seen, waiting, others = set(), [module], set()
    while waiting:
        name = waiting.pop()
        if name not in modules():
            others.add(name.split(".")[0])
        elif name not in seen:
            seen.add(name)
            parents = name.split(".")
            waiting += [".".join(parents[:n]) for n in range(1, len(parents))]
            waiting += imports(name, at_import=True)
    return others


def package(module):
    """``data`` of ``ser_brain.data.splits``; ``cli`` of what is beside the packages."""
    top, *inner = module.split(".")
    return None if top != "ser_brain" else inner[0] if {*inner[:1]} & {*ORDER} else "cli"


def test_the_packages_are_the_ones_in_order():
    folders = {path.parent.name for path in (ROOT / "ser_brain").glob("*/__init__.py")}
    assert folders == set(ORDER)
    assert len(list((ROOT / "ser_brain").glob("*.py"))) == 2  # __init__ and __main__


def test_imports_run_one_way():
    may = {"data_prep": {"data_prep", "ser_brain"}, "recipes": {"recipes", "ser_brain"}}
    wrong = []
    for module in set(modules()) - {"train"}:
        for name in imports(module):
            top, own = name.split(".")[0], module.split(".")[0]
            if top in {"data_prep", "recipes", "ser_brain", "train", "tests"}:
                ours, theirs = package(module), package(name)
                backward = ours and theirs and ORDER.index(theirs) > ORDER.index(ours)
                # `from ser_brain import __version__` is of the package, not of the cli.
                if top not in may.get(own, {own}) or (backward and name != "ser_brain"):
                    wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_there_are_no_circles():
    graph = {name: imports(name) & modules().keys() for name in modules()}
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(modules())


def test_torch_is_imported_only_where_it_computes():
    """Of the data, only the dataset; corpora are prepared with still less."""
    light = {"core", "data", "evaluation", "reporting", "analysis"}
    heavy = {m for m in modules() if package(m) in light and reached(m) & TORCH}
    assert heavy == {"ser_brain.data.dataset"}
    more = TORCH | {"sklearn", "matplotlib", "jinja2"}
    assert [m for m in modules() if m.split(".")[0] == "data_prep" and reached(m) & more] == []


WITHOUT_TORCH = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {TORCH}:
            raise ImportError(f"{{name}} takes seconds to import")

sys.meta_path.insert(0, Absent())
import train
from ser_brain import __main__ as ser, cli
for name in {{*cli.names()}} - {{"predict", "publish"}}:  # they read model folders
    ser.parser_for(name)
"""


def test_help_is_shown_without_torch():
    command = [sys.executable, "-c", WITHOUT_TORCH]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_figures_are_drawn_in_modules_of_plots():
    drawing = [m for m in modules() if any(n.split(".")[0] == "matplotlib" for n in imports(m))]
    assert [m for m in drawing if "plots" not in m.split(".")] == []


def with_examples():
    return [m for m in sorted(modules()) if ">>>" in modules()[m].read_text(encoding="utf-8")]


@pytest.mark.parametrize("module", with_examples())
def test_the_examples_run(module):
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert tried > 0 and failed == 0

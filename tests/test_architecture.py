"""The import directions, the places of things, and the examples of every docstring."""

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
PACKAGES = ("ser_brain", "recipes", "data_prep")
HEAVY = {"torch", "torchaudio", "speechbrain", "transformers", "huggingface_hub", "hyperpyyaml"}
ANALYSIS = (
    "changed_answers",
    "circumplex",
    "comparison",
    "comparison_report",
    "crosscorpus",
    "crosscorpus_files",
    "evaluation",
    "exchanged_classes",
    "fingerprints",
    "label_sanity",
    "label_text",
    "leakage",
    "metrics",
    "mood",
    "near_duplicates",
    "plots",
    "predictions",
    "report",
    "run_comparison",
    "runs",
    "swap_test",
)
STANDARD = (
    "errors",
    "files",
    "labels",
    "log",
    "parser",
    "commands",
    "corpus_card",
    "manifest",
    "corpora",
    "id_lists",
    "on_argument",
)


@functools.cache
def modules():
    """Module name -> path, of everything that is shipped."""
    found = {"train": ROOT / "train.py"}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


@functools.cache
def tree(module):
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@functools.cache
def imports(module):
    """Every module that a module names in an import, wherever in the file it stands."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules() else node.module)
    return frozenset(found - {"__future__"})


def closure(module):
    """All that an import of a module brings in: of ours by name, of others the package."""
    ours, waiting, others = set(), [module], set()
    while waiting:
        name = waiting.pop()
        if name in ours:
            continue
        ours.add(name)
        for imported in imports(name):
            if imported in modules():
                parents = imported.split(".")
                waiting += [".".join(parents[:n]) for n in range(1, len(parents) + 1)]
            else:
                others.add(imported.split(".")[0])
    return ours, others


def of(package):
    return sorted(name for name in modules() if name.split(".")[0] == package)


def analysis():
    return [name for name in of("ser_brain") if (name.split(".") + [""])[1] in ANALYSIS]


def test_the_modules_are_found():
    assert {"ser_brain.models.encoders.compact", "recipes.regression", "data_prep"} <= set(
        modules()
    )
    assert "ser_brain.evaluation.evaluate" in analysis()
    assert imports("recipes.regression") == {
        "speechbrain",
        "speechbrain.dataio.batch",
        "torch",
        "ser_brain.models.heads",
        "ser_brain.training.brain",
        "ser_brain.training.loaders",
    }
    assert {"ser_brain.models.heads", "ser_brain.models.encoders"} <= closure(
        "recipes.regression"
    )[0]


@pytest.mark.parametrize(
    "package, may",
    [
        ("ser_brain", {"ser_brain"}),
        ("recipes", {"recipes", "ser_brain"}),
        ("data_prep", {"data_prep", "ser_brain"}),
    ],
)
def test_imports_run_one_way(package, may):
    for module in of(package):
        ours = {name.split(".")[0] for name in imports(module)} & {*PACKAGES, "train", "tests"}
        assert ours <= may, f"{module} imports {ours - may}"


def test_no_module_imports_itself_in_the_end():
    graph = {name: imports(name) & set(modules()) for name in modules()}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("module", STANDARD)
def test_the_ground_is_the_standard_library(module):
    _, others = closure(f"ser_brain.{module}")
    assert others <= set(sys.stdlib_module_names)


def test_preparing_a_corpus_needs_no_learning_library():
    for module in of("data_prep"):
        _, others = closure(module)
        assert not others & {*HEAVY, "sklearn", "matplotlib", "jinja2"}, module


def test_analysis_needs_no_torch():
    for module in analysis():
        _, others = closure(module)
        assert not others & HEAVY, module


def test_analysis_and_preparation_import_where_torch_is_not():
    code = f"""
import importlib, sys

class Absent:
    names = {sorted(HEAVY | {"sklearn", "matplotlib"})!r}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ImportError(name + " is not here")

absent = Absent()
sys.meta_path.insert(0, absent)
for name in {[m for m in of("data_prep") if not m.endswith("__main__")]!r}:
    importlib.import_module(name)
absent.names = {sorted(HEAVY)!r}
for name in {[m for m in analysis() if not m.endswith("__main__")]!r}:
    importlib.import_module(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_matplotlib_is_imported_where_figures_are_drawn():
    for module in modules():
        if any(name.split(".")[0] == "matplotlib" for name in imports(module)):
            assert module.startswith("ser_brain.reporting.plots."), module


def test_no_module_is_a_drawer_for_odds_and_ends():
    for module in modules():
        assert not {"utils", "helpers", "misc", "common", "util"} & set(module.split("."))


@pytest.mark.parametrize("module", sorted(modules()))
def test_what_is_public_says_what_it_is(module):
    assert ast.get_docstring(tree(module)), f"{module} has no docstring"
    silent = [
        node.name
        for node in tree(module).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent, f"{module}: without a docstring: {silent}"


def test_only_commands_print():
    for module in modules():
        if module != "train" and not module.endswith("__main__"):
            for node in ast.walk(tree(module)):
                assert getattr(node, "id", None) != "print", f"{module}:{node.lineno}"


def test_users_are_told_by_errors_not_asserts():
    for module in modules():
        for node in ast.walk(tree(module)):
            assert not isinstance(node, ast.Assert), f"{module}:{node.lineno}"


def test_no_error_is_swallowed():
    """Who catches everything raises, or keeps the error to raise it later."""
    for module in modules():
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ExceptHandler):
                caught = getattr(node.type, "id", "all" if node.type is None else "")
                if caught in ("Exception", "BaseException", "all"):
                    raises = any(isinstance(n, ast.Raise) for n in ast.walk(node))
                    kept = node.name and any(
                        getattr(n, "id", None) == node.name for n in ast.walk(node)
                    )
                    assert raises or kept, f"{module}:{node.lineno}"


def test_one_logger():
    for module in set(modules()) - {"ser_brain.core.log"}:
        for node in ast.walk(tree(module)):
            assert getattr(node, "attr", None) != "getLogger", f"{module}:{node.lineno}"


def _with_examples():
    return [m for m in sorted(modules()) if ">>>" in modules()[m].read_text(encoding="utf-8")]


@pytest.mark.parametrize("module", _with_examples())
def test_the_examples_run(module):
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert tried > 0
    assert failed == 0

"""Several modules of this package as one Python file that needs none of it."""

from __future__ import annotations

import ast
import importlib.util
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ser_brain.errors import SERError

PACKAGE = "ser_brain"


def bundle(roots: Sequence[str]) -> str:
    """Join modules with all they import of this package, each before what uses it.

    Parameters
    ----------
    roots : sequence of str
        Names of modules.

    Returns
    -------
    str
        Python source.

    Raises
    ------
    SERError
        If two of the modules define the same name.

    Examples
    --------
    >>> "import ser_brain" in bundle(["ser_brain.heads"])
    False
    """
    sources: dict[str, str] = {}
    for root in roots:
        _collect(root, sources)
    _require_distinct(sources)
    parts = [f"# ---- {name}\n\n{_without_own_imports(text)}" for name, text in sources.items()]
    return "from __future__ import annotations\n\n" + "\n\n".join(parts)


def _collect(module: str, sources: dict[str, str]) -> None:
    if module in sources:
        return
    text = Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if _is_own(node):
            _collect(node.module, sources)
    sources[module] = text


def _is_own(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == PACKAGE


def _without_own_imports(text: str) -> str:
    lines = text.splitlines(keepends=True)
    for node in ast.parse(text).body:
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if future or _is_own(node):
            for number in range(node.lineno - 1, node.end_lineno):
                lines[number] = ""
    return "".join(lines)


def _require_distinct(sources: dict[str, str]) -> None:
    """In one file the later of two equal names would silently replace the earlier."""
    defined = Counter(name for text in sources.values() for name in _defined(text))
    twice = sorted(name for name, count in defined.items() if count > 1)
    if twice:
        raise SERError(f"{', '.join(sources)} define {', '.join(twice)} more than once.")


def _defined(text: str) -> set[str]:
    names = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = [node.target] if isinstance(node, ast.AnnAssign) else []
        targets += node.targets if isinstance(node, ast.Assign) else []
        inside = [n for target in targets for n in ast.walk(target)]
        names |= {n.id for n in inside if isinstance(n, ast.Name)}
    return names

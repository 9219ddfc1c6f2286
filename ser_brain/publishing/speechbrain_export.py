"""Several modules of this package as one Python file that needs none of it."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ser_brain.core.errors import SERError
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.transformers_layout import prefixes, projector_shapes
from ser_brain.models.encoders.loading import FAMILIES

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
    >>> "import ser_brain" in bundle(["ser_brain.models.heads"])
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


INTERFACE = "ser_brain.inference.speechbrain_interface"

# foreign_class puts every model's folder on the path, where the custom_interface of a second
# model is never found; so the file enters itself under a name that belongs to its content.
ALIAS = """

# ---- the name by which hyperparams.yaml knows this very file
import sys  # noqa: E402
import types  # noqa: E402

_alias = types.ModuleType({alias!r})
vars(_alias).update({{key: value for key, value in globals().items() if key[:2] != "__"}})
sys.modules[{alias!r}] = _alias
"""
YAML = """# For SpeechBrain's foreign_class, which runs the code of custom_interface.py: load
# only models that you trust. No base encoder is fetched. See README.md.
sample_rate_hz: {sample_rate_hz}
emotions: {emotions}
va_range: {va_range}
encoder: !new:{alias}.{encoder_class}
{encoder}
model: !new:{alias}.EmotionModel
  encoder: !ref <encoder>
  emotions: !ref <emotions>
  va_range: !ref <va_range>
modules:
  model: !ref <model>
pretrainer: !new:{alias}.SafetensorsPretrainer
  loadables: {{model: !ref <model>}}
  prefixes: {prefixes}
  ignored: {ignored}
"""


def speechbrain_files(config: ModelConfig) -> dict[str, str]:
    """File name -> text.

    Returns
    -------
    dict
        ``hyperparams.yaml`` and ``custom_interface.py``.
    """
    encoder_class = FAMILIES[config.encoder["family"]]
    source = bundle([encoder_class.__module__, INTERFACE])
    alias = f"ser_iface_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    settings = YAML.format(
        alias=alias,
        encoder_class=encoder_class.__name__,
        encoder=_indented(_arguments(config)),
        # JSON is YAML.
        sample_rate_hz=json.dumps(config.sample_rate_hz),
        emotions=json.dumps(config.emotions),
        va_range=json.dumps(config.va_range),
        prefixes=json.dumps(prefixes(config)),
        ignored=json.dumps(list(projector_shapes(config))),
    )
    return {
        "hyperparams.yaml": settings,
        "custom_interface.py": source + ALIAS.format(alias=alias),
    }


def _arguments(config: ModelConfig) -> dict:
    """Of the encoder's class."""
    settings = {**config.encoder, "freeze": "all"}
    family = settings.pop("family")
    if "config" in settings:
        settings["config"] = {**settings["config"], "model_type": family}
    return settings


def _indented(arguments: dict) -> str:
    return "\n".join(f"  {key}: {json.dumps(value)}" for key, value in arguments.items())

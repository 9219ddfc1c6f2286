"""Settings files, the files they extend, and overrides. Nothing is built."""

from __future__ import annotations

import json
from pathlib import Path

from fuzz._strategies import text_of
from ser_brain.core.errors import SERError
from ser_brain.data.corpora import parse_corpora
from ser_brain.training.config import checked_settings, load_settings, read_settings
from ser_brain.training.setting_values import KINDS

BASE = b"""# Settings of everything.
seed: 1  # of all that is random
experiment: made
output_folder: !ref results/<experiment>/<seed>
corpus: demo
data_folder: null
corpora:
  - {corpus: !ref <corpus>, data_folder: !ref <data_folder>}
emotions: [anger, happiness, sadness, neutral]
emotion_map: {excitement: happiness}
va_range: [1, 5]
split_fractions: [0.8, 0.1, 0.1]
batch_size: 8
lr_heads: 0.001
loss_weights: {nll: 1.0, mse: 1.0}
text: |
  two
  lines
"""
CHILD = b"""extends: [base.yaml, fragment.yaml]
# Three emotions only.
emotions:
  - anger
  - sadness
  - neutral
batch_size: 16
"""
FRAGMENT = b"lr_heads: 0.0001\n"
OVERRIDES = [["seed", "3"], ["emotions", "[anger, neutral]"], ["output_folder", "out"]]
TOKENS = (
    *("\n", " ", "  ", ": ", "- ", "[", "]", "{", "}", ", ", "#", "|", ">", "---", "...", "? "),
    *("!ref <seed>", "!ref <x[y]>", "!ref <seed> * 2", "!copy <seed>", "!!python/none"),
    *("!!binary x", "!new:a.B ", "!apply:a.b ", "!include:/dev/zero", "!applyref:a.b "),
    *("&a ", "*a", "<<: *a", "!tag ", "seed", "emotions", "extends", "base.yaml", "\t"),
    *("%YAML 1.2",),
)  # fmt: skip
# What builds or reads something is the user's own code: a text with such a tag is not built.
BUILDS = ("!new", "!name", "!apply", "!module", "!include", "!PLACEHOLDER", "!applyref")


def valid() -> list[dict[str, bytes]]:
    """Three files that extend one another, and overrides."""
    files = {"base.yaml": BASE, "child.yaml": CHILD, "fragment.yaml": FRAGMENT}
    return [{**files, "overrides.json": json.dumps(OVERRIDES).encode()}]


def generated():
    """YAML made of YAML tokens in place of any of the files."""
    from hypothesis import strategies as st

    text = text_of(*TOKENS)
    base, child = st.just(BASE) | text, st.just(CHILD) | text
    values = text.map(lambda data: data.decode("utf-8", "surrogatepass"))
    keys = st.sampled_from([*KINDS, "corpora", "text", "extends"]) | st.text(max_size=5)
    overrides = st.lists(st.tuples(keys, values).map(list), max_size=3)
    return st.fixed_dictionaries(
        {
            "base.yaml": base,
            "child.yaml": child,
            "fragment.yaml": st.just(FRAGMENT) | text,
            "overrides.json": overrides.map(lambda o: json.dumps(o).encode()),
        }
    )


def try_case(folder: Path) -> None:
    """Merge, resolve and check them; build them where only plain values result."""
    text = read_settings(folder / "child.yaml", _overrides(folder / "overrides.json"))
    checked_settings(text)
    if any(tag in text for tag in BUILDS):
        raise SERError("left to HyperPyYAML")
    settings = load_settings(text)
    parse_corpora(settings.get("corpora"))


def _overrides(path: Path) -> list[tuple[str, str]]:
    """Pairs of texts, however damaged the file is."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    pairs = found if isinstance(found, list) else []
    return [(str(p[0]), str(p[1])) for p in pairs if isinstance(p, list) and len(p) == 2]

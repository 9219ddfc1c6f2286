"""The commands of ``ser``: one file each, found by its name.

A command file contains

- a docstring, which is its help: a title line, then what it does, with an example;
- ``add_arguments(parser)``, which adds its options;
- ``run(arguments)``, which returns an :class:`Outcome`. Imports of torch go into ``run``, so
  that the help and the error for a mistyped option appear at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent

MANY = {"nargs": "+", "default": []}  # an option with one value or several

# The groups of ``ser --help``. A command in none of them appears in a group of its own.
GROUPS = {
    "prepare": ("corpora", "explore"),
    "train": ("init", "train", "folds"),
    "judge": (
        *("evaluate", "import", "report", "compare", "crosscorpus", "board"),
        *("robustness", "balance", "audit"),
    ),
    "explain": ("layers", "circumplex", "embed", "mood"),
    "ship": ("export", "adapt", "verify", "publish", "predict", "listen", "app"),
}


@dataclass(frozen=True)
class Outcome:
    """The findings of a command."""

    text: str  # for a reader
    # The same as JSON types, which --json prints; None if the command has printed them itself.
    facts: dict | None = field(default_factory=dict)
    exit_code: int = 0  # 1 where a check found something bad (overlap, unreadable files)


def names() -> list[str]:
    """The names of all commands."""
    return sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_"))


def grouped() -> dict[str, list[str]]:
    """Group -> the names of its commands."""
    found = names()
    groups = {group: [n for n in listed if n in found] for group, listed in GROUPS.items()}
    others = [name for name in found if name not in sum(groups.values(), [])]
    return {**groups, "more": others} if others else groups

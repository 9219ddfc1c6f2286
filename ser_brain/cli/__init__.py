"""The commands of ``ser``: one file each, found by its name.

A command is its docstring (the help: a title line, then what it does with an example), a
function ``add_arguments(parser)`` and a function ``run(arguments) -> Outcome``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Outcome:
    """What a command found.

    Attributes
    ----------
    text : str
        For a reader.
    facts : dict
        The same for a machine: JSON types; what ``--json`` prints.
    exit_code : int
        0, or 1 where what was looked for was found and is bad (overlap, unreadable files).
    """

    text: str
    facts: dict = field(default_factory=dict)
    exit_code: int = 0


def names() -> list[str]:
    """Every command."""
    return sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_"))

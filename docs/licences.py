"""Write the table of dependencies in ``docs/supply_chain.md`` from what is installed.

    python docs/licences.py

Versions and licences are those that the installed packages state of themselves.
"""

from __future__ import annotations

import importlib.metadata as metadata
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = "ser-recipes"
PAGE = Path(__file__).with_name("supply_chain.md")
BEGIN, END = "<!-- licences -->\n", "<!-- end of licences -->\n"
LONGEST = 60  # characters; some packages put a whole licence text there
TROVE = "License :: OSI Approved :: "


def dependencies(name: str, extras: frozenset[str] = frozenset()) -> dict[str, set[str]]:
    """All packages that a package needs here, at any depth.

    Returns
    -------
    dict
        Package -> the packages that ask for it.
    """
    found: dict[str, set[str]] = {}
    waiting, seen = [(name, extras)], set()
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        asking, wanted = item
        for text in metadata.requires(asking) or ():
            needed = Requirement(text)
            if _applies(needed, wanted):
                one = _canonical(needed.name)
                found.setdefault(one, set()).add(asking)
                waiting.append((one, frozenset(needed.extras)))
    return found


def licence_of(name: str) -> str:
    """What a package says of its licence, in a line."""
    facts = metadata.metadata(name)
    classifiers = facts.get_all("Classifier") or ()
    stated = [c.removeprefix(TROVE) for c in classifiers if c.startswith(TROVE)]
    free_text = (facts.get("License") or "").strip().partition("\n")[0]
    said = facts.get("License-Expression") or "; ".join(stated) or free_text or "not stated"
    return said if len(said) <= LONGEST else f"{said[:LONGEST]} ..."


def table() -> str:
    """The Markdown table: every package with version, licence and who asks for it."""
    asked = dependencies(PROJECT, frozenset({"dev"}))
    lines = ["| package | version | licence | asked for by |", "|---|---|---|---|"]
    for name in sorted(asked):
        who = sorted(asked[name])
        said = ", ".join(who[:3]) + (f" and {len(who) - 3} more" if len(who) > 3 else "")
        lines.append(f"| {name} | {metadata.version(name)} | {licence_of(name)} | {said} |")
    return "\n".join(lines) + "\n"


def _applies(needed: Requirement, extras: frozenset[str]) -> bool:
    if needed.marker is None:
        return True
    return any(needed.marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def main() -> None:
    """Put the table between its marks on the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The report of a mood: one page, and its numbers as JSON, CSV, Markdown and pictures."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.analysis.mood import analysis as tables
from ser_brain.analysis.mood import figures
from ser_brain.analysis.mood.analysis import Mood
from ser_brain.core.files import write_json, write_text
from ser_brain.core.tables import Table, to_csv, to_markdown, to_text
from ser_brain.evaluation.significance import ALPHA
from ser_brain.reporting.html import render, rewritten


def write_report(
    mood: Mood,
    folder: Path,
    command: str = "",
    planted: Mapping[str, float] | None = None,
    copied: Sequence[Path] = (),
) -> Path:
    """Write the page, and beside it the tables and figures.

    Parameters
    ----------
    mood : Mood
    folder : Path
    command : str
        Which command writes this, for the page.
    planted : mapping, optional
        True change of each measure, where the predictions are simulated.
    copied : sequence of Path
        Files to lay beside the page, such as the table that was simulated.

    Returns
    -------
    Path
        ``index.html``: self-contained, works offline. Beside it ``mood.json``, the tables
        (``.csv``, ``.md``) and the figures (``.svg``, ``.png``).

    Raises
    ------
    SERError
        See :func:`ser_brain.reporting.html.rewritten`.
    """
    with rewritten(folder) as new:
        _write(new, mood, command, planted)
        for path in copied:
            shutil.copy(path, new)
    return folder / "index.html"


def _write(folder: Path, mood: Mood, command: str, planted: Mapping[str, float] | None) -> None:
    facts = mood.facts()
    shown = tables_of(facts, planted)
    steps = tables.periods(f"{facts['step']}s", facts["step"].capitalize(), facts["steps"])
    for table in [*shown.values(), steps]:
        write_text(folder / f"{table.name}.csv", to_csv(table))
        write_text(folder / f"{table.name}.md", to_markdown(table))
    write_json(folder / "mood.json", facts)
    page = render(
        "mood.html",
        facts=facts,
        simulated=planted is not None,
        tables=shown,
        alpha=ALPHA,
        command=command,
        figures={
            "map": figures.whole(folder, mood),
            "periods": figures.by_period(folder, mood),
            "courses": figures.courses(folder, mood),
            "change": figures.of_change(folder, mood),
        },
    )
    write_text(folder / "index.html", page)


def tables_of(facts: Mapping, planted: Mapping[str, float] | None = None) -> dict[str, Table]:
    """The tables of the page, by section.

    Parameters
    ----------
    facts : mapping
        See :meth:`ser_brain.analysis.mood.analysis.Mood.facts`.
    planted : mapping, optional
    """
    found = {"periods": tables.periods("periods", facts["by"].capitalize(), facts["periods"])}
    if facts["change"]:
        found["change"] = tables.change(facts["change"], planted or {})
    return found


def summary(facts: Mapping, planted: Mapping[str, float] | None = None) -> str:
    """The numbers as text for a terminal."""
    parts = [facts["who"], facts["what_it_is"], *facts["notes"]]
    shown = [to_text(table) for table in tables_of(facts, planted).values()]
    return "\n\n".join(["\n".join(parts), *shown])

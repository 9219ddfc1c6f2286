"""The mood report: one page, and its numbers as JSON, CSV, Markdown and figures."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.analysis.mood.analysis import Mood
from ser_brain.analysis.mood.baseline import baseline_table, csv_rows, sentence
from ser_brain.analysis.mood.description import FEWEST
from ser_brain.analysis.mood.plots import (
    TITLES,
    draw_baseline,
    draw_change,
    draw_courses,
    draw_map,
    draw_periods,
)
from ser_brain.core.files import write_json, write_text
from ser_brain.core.tables import Table, csv_text, to_csv, to_markdown, to_text
from ser_brain.evaluation.significance import ALPHA
from ser_brain.reporting.html import render, rewritten


def write_report(
    mood: Mood,
    folder: Path,
    command: str = "",
    planted: Mapping[str, float] | None = None,
    copied: Sequence[Path] = (),
) -> Path:
    """Write ``index.html``, whose path is returned, ``mood.json``, tables and figures.

    Parameters
    ----------
    mood : Mood
    folder : Path
    command : str
        The command that reproduces the report, for the page.
    planted : mapping, optional
        True change of each measure, for simulated predictions.
    copied : sequence of Path
        Files to copy into the folder, such as the simulated table.
    """
    facts = mood.facts()
    tables = _tables(facts, planted)
    steps = _periods(f"{facts['step']}s", facts["step"].capitalize(), facts["steps"])
    with rewritten(folder) as new:
        for table in [*tables.values(), steps]:
            write_text(new / f"{table.name}.csv", to_csv(table))
            write_text(new / f"{table.name}.md", to_markdown(table))
        judged = facts["baseline"]
        if judged:
            write_text(new / "baseline.csv", csv_text(csv_rows(judged)))
        write_json(new / "mood.json", facts)
        page = render(
            "mood.html",
            facts=facts,
            simulated=planted is not None,
            tables=tables,
            baseline=judged and {"table": baseline_table(judged), "said": sentence(judged)},
            alpha=ALPHA,
            command=command,
            figures={
                "map": draw_map(new, mood),
                "periods": draw_periods(new, mood),
                "courses": draw_courses(new, mood),
                "change": draw_change(new, mood),
                "baseline": draw_baseline(new, mood),
            },
        )
        write_text(new / "index.html", page)
        for path in copied:
            shutil.copy(path, new)
    return folder / "index.html"


def summary(facts: Mapping, planted: Mapping[str, float] | None = None) -> str:
    """The numbers as text for a terminal; the arguments are those of the report."""
    lines = [facts["who"], facts["what_it_is"], *facts["notes"]]
    parts = ["\n".join(lines), *map(to_text, _tables(facts, planted).values())]
    judged = facts["baseline"]
    if judged:
        parts.append(sentence(judged))
        parts += (
            [to_text(baseline_table(judged, unusual_only=True))] if judged["unusual"] else []
        )
    return "\n\n".join(parts)


def _tables(facts: Mapping, planted: Mapping[str, float] | None) -> dict[str, Table]:
    """The tables of the page, by section."""
    tables = {"periods": _periods("periods", facts["by"].capitalize(), facts["periods"])}
    if facts["change"]:
        tables["change"] = _change(facts["change"], planted or {})
    return tables


def _periods(name: str, first: str, rows: Sequence[Mapping]) -> Table:
    """A row for each of the facts' periods or steps; ``first`` heads the first column."""
    keys = ["valence", "arousal", "range"]
    keys += ["neutral"] if any(row["neutral"] is not None for row in rows) else []
    return Table(
        name,
        "Weighted by speaking time, valence and arousal on −1 to 1. Range: area of the 80 % "
        f"ellipse (the whole plane is 4), from {FEWEST:g} pieces on.",
        [first, "Speech (s)", "Pieces", *map(str.capitalize, keys)],
        [
            [row["period"], round(row["seconds"]), row["pieces"], *(row[key] for key in keys)]
            for row in rows
        ],
    )


def _change(facts: Mapping, planted: Mapping[str, float]) -> Table:
    """Means of days of the compared periods, their differences, and p."""
    a, b = (f"{facts[part]['first']} to {facts[part]['last']}" for part in ("a", "b"))
    table = Table(
        "change",
        f"A: {a}. B: {b}. Below B − A, 95 % bootstrap intervals over days. p is corrected for "
        "the number of tests by Holm's method.",
        ["Mean of days", "A", "B", "B − A", "p", "p, corrected", *["Planted"][: len(planted)]],
    )
    for name, title in TITLES.items():
        measure, outcome = facts["measures"].get(name, {}), facts["outcomes"].get(name, {})
        if measure or outcome:
            found = {**outcome, **measure}  # the difference of a measure has a sign
            cells = [found.get(key) for key in ("a", "b", "difference", "p", "p_adjusted")]
            table.rows.append([title, *cells, *([planted.get(name)] if planted else [])])
    return table

"""The page on a model's robustness: a table and a figure for each test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.core.files import write_json, write_text
from ser_brain.core.tables import Table, to_csv, to_text
from ser_brain.evaluation.robustness import CLEAN
from ser_brain.reporting.html import (
    SAYS_NOTHING,
    ReportFigure,
    downloads,
    inlined,
    render,
    rewritten,
)
from ser_brain.reporting.plots.robustness import strength_curves
from ser_brain.reporting.report_tables import metric_title

ANSWERS = {"same": "Same answers", "drop": "Drop of the true class's probability"}
PAGE = "robustness.html"


def write_robustness(folder: Path, results: Mapping) -> Path:
    """Write ``robustness.html``, ``results.json``, tables (CSV) and figures into a folder.

    ``results``: see :func:`ser_brain.evaluation.robustness.robustness`.
    """
    tables = {name: tables_of(name, found) for name, found in results["test_sets"].items()}
    with rewritten(folder) as new:
        figures = {
            name: _figures(new, name, found, results["model"])
            for name, found in results["test_sets"].items()
        }
        for table in (table for of_set in tables.values() for table in of_set):
            write_text(new / f"{table.name}.csv", to_csv(table))
        write_json(new / "results.json", results)
        page = render(
            "robustness.html",
            results=results,
            tables=tables,
            figures=figures,
            files=downloads(new),
        )
        write_text(new / PAGE, page)
    return folder / PAGE


def tables_of(test_set: str, found: Mapping) -> list[Table]:
    """A row per condition; published thresholds; gaps between groups where there are any."""
    metrics, answers = list(found["clean"]), list(found["conditions"][0]["answers"])
    head = ["Distortion", "Strength"]
    for metric in metrics:
        head += [metric_title(metric), f"{metric_title(metric)}, change"]
    head += [ANSWERS.get(name, f"{name.capitalize()}, mean change") for name in answers]
    caption = f"{test_set}: each condition, and its change against the clean clips."
    table = Table(f"{test_set}-robustness", caption, head)
    nothing = [None] * len(answers)
    clean = [cell for metric in metrics for cell in (found["clean"][metric], None)]
    table.rows.append([CLEAN, None, *clean, *nothing])
    for each in found["conditions"]:
        pairs = [c for m in metrics for c in (each["metrics"][m], each["change"][m])]
        shares = [each["answers"][name] for name in answers]
        table.rows.append([each["distortion"], strength_text(each), *pairs, *shares])
    tables = [table]
    if found["published"]:
        caption = (
            f"{test_set}: thresholds of ser-tests (Derington et al. 2023) for white noise at "
            "20 dB, the condition that both have. They judge the value, not its interval."
        )
        rows = [
            [each["test"], each["least"], each, "yes" if each["passed"] else "no"]
            for each in found["published"]
        ]
        head = ["Test", "At least", "Measured", "Passed"]
        tables.append(Table(f"{test_set}-published", caption, head, rows))
    gaps = [
        [grouping, metric_title(metric), gap["highest"], gap["lowest"], gap, gap.get("note")]
        for grouping, of_metrics in found["gaps"].items()
        for metric, gap in of_metrics.items()
    ]
    if not gaps:
        return tables
    caption = f"{test_set}, clean: largest gaps between groups of speakers."
    head = ["Grouping", "Metric", "Highest", "Lowest", "Gap", "Note"]
    return [*tables, Table(f"{test_set}-fairness", caption, head, gaps)]


def strength_text(condition: Mapping) -> str:
    """The strength of a condition with its unit."""
    return f"{condition['strength']:g} {condition['unit']}"


def to_lines(results: Mapping) -> str:
    """The tables for a terminal."""
    found = results["test_sets"].items()
    tables = [table for name, of_set in found for table in tables_of(name, of_set)]
    return "\n\n".join(f"{table.caption}\n\n{to_text(table)}" for table in tables)


def _figures(folder: Path, test_set: str, found: Mapping, model: str) -> Sequence[ReportFigure]:
    drawn = []
    for metric, clean in found["clean"].items():
        panels: dict[str, list] = {}
        for each in found["conditions"]:
            point = (f"{each['strength']:g}", each["metrics"][metric])
            panels.setdefault(f"{each['distortion']} ({each['unit']})", []).append(point)
        stem = folder / f"{test_set}-{metric.replace(' ', '_')}"
        title = f"{metric_title(metric)} under distortions, {test_set}"
        subtitle = f"{model}. Dashed: clean clips. Bars: 95 % intervals over speakers."
        if found["synthetic"]:
            subtitle += f" Synthetic speech: {SAYS_NOTHING}"
        strength_curves(stem, panels, metric_title(metric), clean["value"], title, subtitle)
        alt = f"{title}, a panel for each distortion. The table has the numbers."
        drawn.append(inlined(stem, f"{title}.", alt))
    return drawn

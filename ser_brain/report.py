"""The report of a run: one page, and its numbers as JSON, CSV, Markdown and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ser_brain import report_figures, report_tables
from ser_brain.evaluation import RESAMPLES, evaluate_run
from ser_brain.files import read_json, write_json, write_text
from ser_brain.pages import SAYS_NOTHING, render
from ser_brain.runs import read_run
from ser_brain.tables import (
    Table,
    cell_text,
    stack,
    to_csv,
    to_markdown,
    to_text,
)
from ser_brain.training_curves import read_train_log


def write_report(run_folder: str | Path, resamples: int = RESAMPLES) -> Path:
    """Evaluate a run and write ``report/``.

    Parameters
    ----------
    run_folder : str or Path
        Holds ``predictions/`` and, where they exist, ``run.json``, ``splits.json`` and
        ``train_log.jsonl``.
    resamples : int
        Bootstrap resamples behind each interval.

    Returns
    -------
    Path
        ``report/index.html``: self-contained, works offline. Beside it ``results.json``, the
        tables (``.csv``, ``.md``) and the figures (``.svg``, ``.png``).

    Raises
    ------
    SERError
        If there are no predictions or a file of the run is bad.
    """
    run_folder = Path(run_folder)
    folder = run_folder / "report"
    run = read_run(run_folder)
    results = evaluate_run(run, resamples)
    test_sets = results["test_sets"]
    figures = {
        name: report_figures.of_test_set(folder, run.pooled(name), evaluation)
        for name, evaluation in test_sets.items()
    }
    report_figures.of_all_confusions(folder, test_sets)
    splits = _optional_json(run_folder / "splits.json", "split")
    first = next(iter(test_sets.values()))
    log = read_train_log(run_folder / "train_log.jsonl")
    training = report_figures.of_training(folder, log, first["protocol"])
    tables = {name: _tables_of(evaluation) for name, evaluation in test_sets.items()}
    _write_tables(folder, test_sets, tables)
    write_json(folder / "results.json", results)
    page = render(
        "report.html",
        results=results,
        first=first,
        summary=report_tables.summary(test_sets),
        tables=tables,
        figures=figures,
        training=training,
        audit=report_tables.audit(splits),
        known_speakers=report_tables.known_speakers(splits),
        split_sizes=report_tables.split_sizes(splits),
        left_out=splits.get("left_out") or {},
    )
    write_text(folder / "index.html", page)
    return folder / "index.html"


def summary_table(results: Mapping) -> str:
    """The headline as aligned text for a terminal, a column per test set.

    Parameters
    ----------
    results : mapping
        The content of ``report/results.json``.
    """
    test_sets = results["test_sets"]
    summary = report_tables.summary(test_sets)
    columns = [[cell_text(cell) for cell in row] for row in summary.rows]
    turned = Table("summary", "", [summary.head[0], *(column[0] for column in columns)])
    turned.rows = [
        [title, *(column[i] for column in columns)]
        for i, title in enumerate(summary.head)
        if i > 0
    ]
    lines = [next(iter(test_sets.values()))["protocol"], "", to_text(turned)]
    synthetic = [name for name, evaluation in test_sets.items() if evaluation["synthetic"]]
    if synthetic:
        lines += ["", f"Synthetic speech ({', '.join(synthetic)}): {SAYS_NOTHING}"]
    return "\n".join(lines)


def _optional_json(path: Path, what: str) -> dict:
    return read_json(path, what) if path.exists() else {}


def _tables_of(evaluation: Mapping) -> dict[str, list[Table]]:
    """The tables that the predictions on a test set allow, by section of the page."""
    tables: dict[str, list[Table]] = {"emotions": [], "values": [], "groups": []}
    classification, regression = evaluation["classification"], evaluation["regression"]
    if classification and classification["n"]:
        tables["emotions"].append(report_tables.classification(classification))
        tables["emotions"].append(report_tables.per_class(classification))
    if regression and any(found["n"] for found in regression.values()):
        tables["values"].append(report_tables.regression(regression, evaluation["va_range"]))
    of_groups = [report_tables.grouping(*item) for item in evaluation["groups"].items()]
    tables["groups"] += [table for table in of_groups if table.rows]
    return tables


def _write_tables(folder: Path, test_sets: Mapping, tables: Mapping) -> None:
    """Every table as CSV and Markdown, those of all test sets in one file."""
    by_name: dict[str, dict[str, Table]] = {}
    for test_set, sections in tables.items():
        found = [*sections["emotions"], *sections["values"]]
        if sections["emotions"]:
            found.append(report_tables.confusion(test_sets[test_set]["classification"]))
        if sections["groups"]:
            found.append(report_tables.groups(test_sets[test_set]["groups"]))
        for table in found:
            by_name.setdefault(table.name, {})[test_set] = table
    whole = [stack(of_sets, "Test set") for of_sets in by_name.values()]
    for table in [report_tables.summary(test_sets), *whole]:
        write_text(folder / f"{table.name}.csv", to_csv(table))
        write_text(folder / f"{table.name}.md", to_markdown(table))

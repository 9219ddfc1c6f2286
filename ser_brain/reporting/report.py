"""The report of a run: one page, and its numbers as JSON, CSV, Markdown and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ser_brain.core.files import inside, read_json, write_json, write_text
from ser_brain.core.tables import Table, cell_text, stack, to_csv, to_markdown, to_text
from ser_brain.evaluation.evaluate import RESAMPLES, evaluate_run
from ser_brain.evaluation.runs import Run, parts_of, read_run
from ser_brain.reporting import (
    report_figures,
    report_tables,
)
from ser_brain.reporting import (
    report_figures as report_emotion_figures,
)
from ser_brain.reporting import (
    report_tables as report_data,
)
from ser_brain.reporting import (
    report_tables as report_groups,
)
from ser_brain.reporting.html import SAYS_NOTHING, render, rewritten, subtitle
from ser_brain.reporting.plots.training import read_train_log


def write_report(run_folder: str | Path, resamples: int = RESAMPLES) -> Path:
    """Evaluate a run, or the folds of one, and write ``report/``.

    Parameters
    ----------
    run_folder : str or Path
        Holds ``predictions/`` and, where they exist, ``run.json``, ``splits.json`` and
        ``train_log.jsonl``; or ``folds.json``, which names such folders.
    resamples : int
        Bootstrap resamples behind each interval.

    Returns
    -------
    Path
        ``report/index.html``: self-contained, works offline. Beside it ``results.json``, the
        tables (``.csv``, ``.md``) and the figures (``.svg``, ``.png``). Files of an earlier
        report that this one does not write are removed.

    Raises
    ------
    SERError
        If there are no predictions, a file of the run is bad, or ``report`` leads elsewhere.
    """
    folder = inside(run_folder, "report")
    run = read_run(run_folder)
    results = evaluate_run(run, resamples)
    with rewritten(folder, own=True) as new:
        content = _content(new, run, results)
        _write_tables(new, results["test_sets"], content["tables"])
        write_json(new / "results.json", results)
        write_text(new / "index.html", render("report.html", **content))
    return folder / "index.html"


def renew_reports(run_folder: str | Path) -> None:
    """Write anew what reports of a run, or of folds and each of them, predictions outdate.

    Raises
    ------
    SERError
        See :func:`write_report`.
    """
    parts, _ = parts_of(Path(run_folder))
    judged = {part: [part] for part in parts.values()} | {Path(run_folder): [*parts.values()]}
    for folder, predicted in judged.items():
        results = folder / "report" / "results.json"
        cards = [card for part in predicted for card in part.glob("predictions/*.card.json")]
        if results.is_file() and any(_written(card) > _written(results) for card in cards):
            write_report(folder)


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns


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
    incomplete = results.get("incomplete", {})
    if incomplete:
        lines += ["", *(f"{name} is left out: {why}." for name, why in incomplete.items())]
    synthetic = [name for name, evaluation in test_sets.items() if evaluation["synthetic"]]
    if synthetic:
        lines += ["", f"Synthetic speech ({', '.join(synthetic)}): {SAYS_NOTHING}"]
    return "\n".join(lines)


def _content(folder: Path, run: Run, results: Mapping) -> dict:
    """What the page shows; its figures are written to the folder."""
    test_sets = results["test_sets"]
    first = next(iter(test_sets.values()))
    splits = {
        name: read_json(part / "splits.json", "split")
        for name, part in run.parts.items()
        if (part / "splits.json").exists()
    }
    logs = [read_train_log(part / "train_log.jsonl") for part in run.parts.values()]
    return {
        "results": results,
        "first": first,
        "parts": list(run.parts),
        "noun": report_tables.noun_of(list(run.parts)),
        "seeds": sorted({p.card["seed"] for s in run.test_sets.values() for p in s.values()}),
        "summary": report_tables.summary(test_sets),
        "overview": report_emotion_figures.of_all(folder, test_sets),
        "tables": {name: _tables_of(run, evaluation) for name, evaluation in test_sets.items()},
        "figures": {
            name: report_figures.of_test_set(folder, run.pooled(name), evaluation)
            for name, evaluation in test_sets.items()
        },
        "training": report_figures.of_training(folder, logs, subtitle([first])),
        "corpora": report_data.corpora(splits),
        "data_tables": [table for table in report_data.tables(splits) if table.rows],
        "absent": report_data.absent(splits),
        "known_speakers": report_data.known_speakers(splits),
        "unknown_speakers": report_data.not_audited(splits, ["speakers"]),
    }


def _tables_of(run: Run, evaluation: Mapping) -> dict[str, list[Table]]:
    """The tables that the predictions on a test set allow, by section of the page."""
    tables: dict[str, list[Table]] = {"parts": [], "emotions": [], "values": [], "groups": []}
    classification, regression = evaluation["classification"], evaluation["regression"]
    if "parts" in evaluation:
        tables["parts"].append(report_tables.parts(evaluation, list(run.parts)))
    if classification and classification["n"]:
        tables["emotions"] += report_tables.emotions(evaluation)
    if regression and any(found["n"] for found in regression.values()):
        tables["values"].append(report_tables.regression(regression, evaluation["va_range"]))
    for name, found in evaluation["groups"].items():
        tables["groups"] += report_groups.of_grouping(name, found)
    return tables


def _write_tables(folder: Path, test_sets: Mapping, tables: Mapping) -> None:
    """Every table as CSV and Markdown, those of all test sets in one file."""
    by_name: dict[str, dict[str, Table]] = {}
    for test_set, sections in tables.items():
        evaluation = test_sets[test_set]
        found = [*sections["parts"], *sections["emotions"], *sections["values"]]
        if sections["emotions"]:
            found.append(report_tables.confusion(evaluation["classification"]))
        if sections["groups"]:
            found.append(report_groups.groups(evaluation["groups"]))
            found.append(report_groups.gaps(evaluation["groups"]))
        for table in found:
            by_name.setdefault(table.name, {})[test_set] = table
    whole = [stack(of_sets, "Test set") for of_sets in by_name.values()]
    protocols = dict.fromkeys(evaluation["protocol"] for evaluation in test_sets.values())
    for table in [report_tables.summary(test_sets), *whole]:
        caption = f"{table.caption} Protocol: {' + '.join(protocols)}."
        table = replace(table, caption=caption)
        write_text(folder / f"{table.name}.csv", to_csv(table))
        write_text(folder / f"{table.name}.md", to_markdown(table))

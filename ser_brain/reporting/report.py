"""The report of a run: one page, with its numbers as JSON, CSV, Markdown and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ser_brain.core.files import SPLITS, inside, splits_of, write_json, write_text
from ser_brain.core.tables import to_csv, to_markdown
from ser_brain.data.labels import listed
from ser_brain.evaluation.crosscorpus import cross_adapted
from ser_brain.evaluation.evaluate import RESAMPLES, evaluate_run
from ser_brain.evaluation.runs import Run, parts_of, read_run
from ser_brain.reporting import crosscorpus, report_data, report_tables
from ser_brain.reporting.html import downloads, render, rewritten, subtitle
from ser_brain.reporting.plots.training import read_train_log
from ser_brain.reporting.report_figures import draw_all, training_figure
from ser_brain.reporting.summary import protocol_of_all, summary, verdict


def write_report(
    run_folder: str | Path, resamples: int = RESAMPLES, figures: bool = True
) -> tuple[Path, dict]:
    """Evaluate a run, or the folds of one, and write ``report/`` into its folder.

    The page, ``report/index.html``, is self-contained and works offline. Beside it are the
    tables (``.csv``, ``.md``), the figures (``.svg``, ``.png``, and without title
    ``-untitled.svg`` and ``-untitled.pdf``) and ``results.json``, whose content is the second
    result: that of :func:`ser_brain.evaluation.evaluate.evaluate_run`, and ``adapted``, that of
    :func:`ser_brain.evaluation.crosscorpus.cross_adapted`. Files of an earlier report that were
    not replaced are removed. A ``report`` that links to another place is an error.

    Drawing takes most of the time; without ``figures`` the page says how to get them.
    """
    folder = inside(run_folder, "report")
    run = read_run(run_folder)
    results = {**evaluate_run(run, resamples), "adapted": cross_adapted(run, resamples)}
    with rewritten(folder, own=True) as new:
        content = _content(new, run, results, figures)
        write_json(new / "results.json", results)
        write_text(new / "index.html", render("report.html", files=downloads(new), **content))
    return folder / "index.html", results


def renew_reports(run_folder: str | Path) -> None:
    """Write each report that is older than the predictions: of a run, or folds and parts."""
    parts, _ = parts_of(Path(run_folder))
    judged = {part: [part] for part in parts.values()} | {Path(run_folder): [*parts.values()]}
    for folder, predicted in judged.items():
        results = folder / "report" / "results.json"
        cards = [card for part in predicted for card in part.glob("predictions/*.card.json")]
        times = [card.stat().st_mtime_ns for card in cards]
        if results.is_file() and any(time > results.stat().st_mtime_ns for time in times):
            write_report(folder, figures=any(results.parent.glob("*.svg")))


def _content(folder: Path, run: Run, results: Mapping, figures: bool) -> dict:
    """The variables of the page; its tables and figures are written to the folder."""
    test_sets = results["test_sets"]
    first = next(iter(test_sets.values()))
    predictions = {name: run.pooled(name) for name in test_sets}
    splits = {
        name: splits_of(part) for name, part in run.parts.items() if (part / SPLITS).exists()
    }
    logs = [read_train_log(part / "train_log.jsonl") for part in run.parts.values()]
    protocol = protocol_of_all(test_sets)
    headline = summary(test_sets)
    tables = report_tables.file_tables(test_sets, list(run.parts))
    matrix = results["adapted"]
    adapted = crosscorpus.adapted(matrix) if matrix else None
    for table in [headline, *tables.values(), *([adapted] if adapted else [])]:
        table = replace(table, caption=f"{table.caption} Protocol: {protocol}.")
        write_text(folder / f"{table.name}.csv", to_csv(table))
        write_text(folder / f"{table.name}.md", to_markdown(table))
    return {
        "results": results,
        "first": first,
        "protocol": protocol,
        "parts": list(run.parts),
        "noun": report_tables.noun_of(list(run.parts)),
        "seeds": sorted({p.card["seed"] for s in run.test_sets.values() for p in s.values()}),
        "verdict": verdict(test_sets),
        "summary": headline,
        "adapted": adapted,
        "on_adapted": crosscorpus.on_adapted(matrix) if matrix else [],
        "tables": tables,
        "values": report_tables.values(test_sets),
        "named": listed(report_tables.dimensions_of(test_sets)),
        "further": report_tables.further_metrics(test_sets),
        "groups": {
            name: [
                table
                for grouping, found in evaluation["groups"].items()
                for table in report_tables.of_grouping(grouping, found)
            ]
            for name, evaluation in test_sets.items()
        },
        "drawn": figures,
        "figures": draw_all(folder, predictions, test_sets) if figures else {},
        "training": training_figure(folder, logs, subtitle([first])) if figures else None,
        "corpora": report_data.corpora(splits),
        "data_tables": [report_data.used(splits), report_data.split_sizes(splits)],
        "audit": report_data.audit(splits),
        "absent": report_data.absent(splits),
        "known_speakers": report_data.known_speakers(splits),
        "unknown_speakers": report_data.not_audited(splits, ["speakers"]),
    }

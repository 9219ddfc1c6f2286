"""Write the report of a run, or one page that compares several runs.

The command reads predictions and runs no model. The report of one run goes to
RUN/report/index.html; beside it are the numbers as JSON, CSV and Markdown and the figures
as SVG and PNG, and without title, for papers, as NAME-untitled.svg and .pdf. A comparison
of several runs goes to --out: all runs on all test sets, a test of each pair, and their
confusion matrices side by side.

    ser report results/multiobjective/demo/1
    ser report results/classification/emodb/1 results/multiobjective/emodb/1 --out comparison
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.core.errors import SERError
from ser_brain.reporting.comparison import comparison_text, write_comparison
from ser_brain.reporting.report import write_report
from ser_brain.reporting.summary import summary_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run folders or folds folders"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write the page of several runs (default: comparison)",
    )


def run(arguments: argparse.Namespace) -> Outcome:
    if len(arguments.runs) > 1:
        page, results = write_comparison(arguments.runs, arguments.out or Path("comparison"))
        return Outcome(f"{comparison_text(results)}\nreport: {page}", results)
    if arguments.out:
        raise SERError("--out is for several runs; the report of one goes to RUN/report.")
    page, results = write_report(arguments.runs[0])
    return Outcome(f"{summary_text(results)}\nreport: {page}", results)

"""Write the report of a run, or of the folds of one: index.html with tables and figures.

It works on predictions and runs no model. A single page that holds everything goes to
RUN/report/index.html, with the numbers as JSON, CSV and Markdown and the figures as SVG and
PNG beside it.

    ser report results/multiobjective/demo/1
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.commands import Outcome
from ser_brain.files import read_json
from ser_brain.report import summary_table, write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ser report``."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder or a folds folder")


def run(arguments: argparse.Namespace) -> Outcome:
    """Evaluate and write the page."""
    page = write_report(arguments.run)
    results = read_json(page.parent / "results.json", "results")
    return Outcome(f"{summary_table(results)}\nreport: {page}", results)

"""Compare two runs on their common test sets: differences and changed answers.

Differences are B - A. The interval resamples the same speakers for both models; the p value
comes from swapping the answers of both models for whole speakers. The command reads
predictions and runs no model. With --out, the numbers, and every utterance whose answer
changed, are written as CSV, Markdown and LaTeX.

    ser compare results/classification/emodb/1 results/multiobjective/emodb/1 --out comparison
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.core.files import write_json, write_text
from ser_brain.core.tables import to_csv, to_latex, to_markdown
from ser_brain.evaluation.compare import compare_runs
from ser_brain.evaluation.runs import read_run
from ser_brain.reporting.comparison import comparison_lines, file_tables
from ser_brain.reporting.html import rewritten


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, metavar="RUN_A", help="a run folder or a folds folder")
    parser.add_argument("b", type=Path, metavar="RUN_B", help="the run to compare with it")
    parser.add_argument(
        "--test_set", nargs="+", metavar="NAME", help="only these test sets (default: all)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write the tables")


def run(arguments: argparse.Namespace) -> Outcome:
    compared = compare_runs(read_run(arguments.a), read_run(arguments.b), arguments.test_set)
    text = comparison_lines(compared)
    if arguments.out:
        with rewritten(arguments.out) as folder:
            write_json(folder / "comparison.json", compared)
            for table in file_tables(compared):
                write_text(folder / f"{table.name}.csv", to_csv(table))
                write_text(folder / f"{table.name}.md", to_markdown(table))
                write_text(folder / f"{table.name}.tex", to_latex(table))
        text += f"\nwritten to: {arguments.out}"
    return Outcome(text, compared)

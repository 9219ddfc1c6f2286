"""Compare two runs on the test sets both predicted: differences, intervals, changed answers.

A difference is B - A. Its interval draws the same speakers for both models, and its p swaps
both models' answers of whole speakers. It works on predictions and runs no model. With --out
the numbers are written as CSV, Markdown and LaTeX, with every utterance whose answer changed.

    ser compare results/classification/emodb/1 results/multiobjective/emodb/1
    ser compare results/folds-a results/folds-b --test_set emodb --out comparison
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
    """The options of ``ser compare``."""
    parser.add_argument("a", type=Path, metavar="RUN_A", help="a run folder or a folds folder")
    parser.add_argument("b", type=Path, metavar="RUN_B", help="what to compare with it")
    parser.add_argument(
        "--test_set", nargs="+", metavar="NAME", help="only these test sets (default: all)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write the tables")


def run(arguments: argparse.Namespace) -> Outcome:
    """Compare, and write the tables where ``--out`` says."""
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

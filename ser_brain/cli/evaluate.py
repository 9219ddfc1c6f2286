"""Run a trained model on further corpora, judge it there, and write its report anew.

The model runs once on each manifest; its predictions lie in the run folder, and are used again
as long as model and manifest are the same. A folds folder runs the model of every fold, and
writes the reports of the folds anew, too.

    ser evaluate results/classification/emodb/1 --on manifests/cremad.json:rated_voice
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.data.corpora import add_on_arguments, targets
from ser_brain.evaluation.runs import parts_of
from ser_brain.training.run import require_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ser evaluate``."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder or a folds folder")
    add_on_arguments(parser, required=True)


def run(arguments: argparse.Namespace) -> Outcome:
    """Predict, evaluate, report."""
    for part in parts_of(arguments.run)[0].values():
        require_run(part)
    chosen = targets(arguments)
    # They bring torch, which the help and a mistake do without.
    from ser_brain.reporting.report import renew_reports, write_report
    from ser_brain.reporting.summary import summary_text
    from ser_brain.training.predict_corpus import predict_on

    predict_on(arguments.run, chosen, arguments.device)
    page, results = write_report(arguments.run)
    renew_reports(arguments.run)  # those of the folds
    return Outcome(f"{summary_text(results)}\nreport: {page}", results)

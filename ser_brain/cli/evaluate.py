"""Evaluate a trained model on further corpora, and renew its report.

The predictions are stored in the run folder and used again as long as the model and the
manifest stay the same. For a folds folder, the model of every fold is run, and the reports
of the folds are renewed, too.

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
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder or a folds folder")
    add_on_arguments(parser, required=True)


def run(arguments: argparse.Namespace) -> Outcome:
    for part in parts_of(arguments.run)[0].values():
        require_run(part)
    chosen = targets(arguments)
    # These import torch, which the help and the error of a mistake do without.
    from ser_brain.reporting.report import renew_reports, write_report
    from ser_brain.reporting.summary import summary_text
    from ser_brain.training.predict_corpus import predict_on

    predict_on(arguments.run, chosen, arguments.device)
    page, results = write_report(arguments.run)
    renew_reports(arguments.run)  # those of the folds
    return Outcome(f"{summary_text(results)}\nreport: {page}", results)

"""Test how noise, lines, rooms and levels change the answers of a model.

Every clip is scored clean and under 13 fixed conditions, so the command takes 14 times as long
as ser evaluate. The page shows UAR or CCC with intervals over speakers, the paired change, the
share of answers that stay the same, and the gaps between groups of speakers.

    ser robustness MODEL --on manifests/emodb.json --per_class 20 --out results/robustness

MODEL is a folder that ser export wrote, or a published model (docs/published_models.md).
DIR/CONDITION has the predictions; ser compare and ser report read them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.cli._models import add_model_arguments, recognizer_of
from ser_brain.core.files import require_new
from ser_brain.data.corpora import add_on_arguments, targets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model's folder or hub id")
    add_on_arguments(parser, required=True)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the results go"
    )
    add_model_arguments(parser)


def run(arguments: argparse.Namespace) -> Outcome:
    from ser_brain.core.hub import model_folder

    model_folder(arguments.model, arguments.revision)  # a wrong name needs no import of torch
    chosen = targets(arguments)
    require_new(arguments.out)  # before hours of scoring
    from ser_brain.evaluation.robustness import robustness
    from ser_brain.inference.robustness import judge_conditions
    from ser_brain.reporting.robustness import to_lines, write_robustness

    recognizer = recognizer_of(arguments.model, arguments)
    folders = judge_conditions(recognizer, chosen, arguments.out, arguments.classes)
    results = robustness(folders)
    page = write_robustness(arguments.out, results)
    return Outcome(f"{to_lines(results)}\n\nreport: {page}", results)

r"""Compare models across test sets: a matrix with intervals, tests and a heat map.

Rows are test sets and columns are models, as in table 5.5 of study 1. All models are tested
against the first RUN. The command reads predictions and runs no model, except with --on: then
each model first predicts the corpora that it has not predicted yet. With --out, the matrix is
written as CSV, Markdown, LaTeX, SVG, PNG and PDF.

    ser crosscorpus results/classification/emodb/1 results/multiobjective/emodb/1 \
        --on manifests/cremad.json:rated_voice manifests/shemo.json --balanced --out matrix

A folds folder counts as one model. The exception is a folder of ser folds --protocol corpus
--train_on=one: each of its models was trained on one corpus, so the matrix shows training
corpora against test corpora.

    ser crosscorpus results/classification/emodb+urdu/one-corpus --out matrix
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.data.corpora import add_on_arguments, targets
from ser_brain.evaluation.crosscorpus import cross
from ser_brain.evaluation.runs import models_in, read_run
from ser_brain.reporting.crosscorpus import to_lines, write_matrix
from ser_brain.reporting.html import rewritten
from ser_brain.reporting.report import renew_reports


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run folders or folds folders"
    )
    add_on_arguments(parser, required=False)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write the matrix")


def run(arguments: argparse.Namespace) -> Outcome:
    asked = targets(arguments)
    if asked:
        # Only --on runs a model, and torch takes seconds to import.
        from ser_brain.training.predict_corpus import predict_on

        for folder in arguments.runs:
            predict_on(folder, asked, arguments.device)
            renew_reports(folder)
    folders = [model for folder in arguments.runs for model in models_in(folder)]
    matrix = cross([read_run(folder) for folder in folders])
    text = to_lines(matrix)
    if arguments.out:
        with rewritten(arguments.out) as folder:
            write_matrix(folder, matrix)
        text += f"\nwritten to: {arguments.out}"
    return Outcome(text, matrix)

"""Put models on a board: one page and a JSON with ranks, intervals and the group of the best.

Rows are models: runs, folds folders, and what ser evaluate MODEL and ser import wrote. Columns
are the test sets that they predicted; models judged on the same utterances with the same
classes share one. Chance and the majority class are rows of their own. The command works on
predictions and runs no model. The page needs no other file and no network.

    ser board results/classification/emodb/folds judged/theirs judged/gpt --out board

A later model joins the others, which the board remembers:

    ser board judged/new --out board
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.evaluation.runs import models_in
from ser_brain.reporting.board import board_text, write_board


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = "folders of runs, folds or judged models (none: the page is written again)"
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", help=what)
    where = "folder of the page; models that are on it stay"
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=where)


def run(arguments: argparse.Namespace) -> Outcome:
    folders = [model for folder in arguments.models for model in models_in(folder)]
    page, found = write_board(folders, arguments.out)
    return Outcome(f"{board_text(found)}\n\npage: {page}", found)

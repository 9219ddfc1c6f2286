"""Train, test and report one experiment; the same as python train.py.

CONFIG is one of the project's settings files or your own. Every setting can be given as
--key=value; ser train CONFIG --help lists them. The same command continues an interrupted run.

    ser train hparams/probe/classification.yaml --corpus=emodb --data_folder=DIR
"""

from __future__ import annotations

import argparse
import runpy
import sys

from ser_brain.cli import Outcome
from ser_brain.training.config import HOME


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="an experiment's YAML file")
    parser.add_argument(
        "settings",
        nargs=argparse.REMAINDER,
        metavar="--key=value ...",
        help="settings of the experiment, and run options",
    )


def run(arguments: argparse.Namespace) -> Outcome:
    # By its path, because train.py stands above this package, and a user may have one as well.
    sys.argv = [str(HOME / "train.py"), arguments.config, *arguments.settings]
    return Outcome("", exit_code=runpy.run_path(sys.argv[0])["main"]())

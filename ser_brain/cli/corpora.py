"""List the corpora that have a prep script, or show the card and layout of one.

    ser corpora
    ser corpora cremad

Other corpora can be prepared from a table, or from one of several formats: see
python -m data_prep --help.
"""

from __future__ import annotations

import argparse
import runpy

from ser_brain.cli import Outcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a corpus (default: all)")


def run(arguments: argparse.Namespace) -> Outcome:
    # By its name, because corpora build on this package and not the other way round.
    catalogue = runpy.run_module("data_prep.common.catalogue")
    return Outcome(catalogue["text"](arguments.name), catalogue["facts"](arguments.name))

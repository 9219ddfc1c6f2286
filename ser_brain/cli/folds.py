"""Train and test every fold or seed of a protocol, and report them together.

train.py runs once for each part (fold or seed), one process per GPU. The same command
continues an interrupted run. One report shows the mean and standard deviation over the parts,
the pooled confusion matrix and the pooled intervals. Any setting of the YAML file can be given
as --key=value; python train.py --help lists them.

    ser folds hparams/finetune/classification.yaml --protocol speaker --folds 5 \\
        --corpus=emodb --data_folder=DIR --encoder_source=facebook/wav2vec2-base

protocols:
  speaker       folds of speakers (--folds, default 5)
  speaker+text  folds of speakers crossed with folds of texts (--folds 3, the default, runs 9)
  group         each session or dyad is the test set once
  random        speakers shared between the parts: seeds, or folds with --folds
  official      the corpus's own split, with several seeds
  corpus        each line of corpora is the test set once, and the others are trained on, all
                alike; with --train_on=one each is trained on alone and tested on the others
  language      the same with the languages of the corpora

    ser folds hparams/probe/classification.yaml --protocol corpus --corpora='[
        {corpus: emodb, data_folder: DIR}, {corpus: table, data_folder: DIR, options: ...}]'
    ser crosscorpus results/classification/emodb+mine/corpus
"""

from __future__ import annotations

import argparse
import runpy
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.core.log import get_logger
from ser_brain.data.splits import PROTOCOLS
from ser_brain.training import command_line
from ser_brain.training.config import checked_settings, read_settings
from ser_brain.training.cross_validation import make_plan, require_current, run_plan
from ser_brain.training.fold_processes import TRAIN, start_server

logger = get_logger(__name__)
PROBES_AT_ONCE = 2  # on the CPU; each loads the encoder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.passes_on = True
    parser.add_argument("config", metavar="CONFIG", help="an experiment's YAML file")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="speaker")
    parser.add_argument(
        "--folds", type=int, metavar="N", help="number of folds (see the protocols)"
    )
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        metavar="SEED",
        help="each fold is run with every seed (default: 1; random and official: 1 to 5)",
    )
    parser.add_argument(
        "--devices",
        nargs="+",
        metavar="DEVICE",
        help="one process per device (default: every GPU, or the CPU: one process, for probes "
        "two)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the folds folder (default: results/EXPERIMENT/CORPORA/PROTOCOL)",
    )


def run(arguments: argparse.Namespace) -> Outcome:
    overrides, options = command_line.parse_overrides(arguments.rest, command_line.RUN_OPTIONS)
    how = arguments.protocol, arguments.folds, arguments.seeds
    plan = make_plan(arguments.config, overrides, options, *how, arguments.out)
    # By its path, because train.py stands above this package.
    settings = read_settings(plan.config, plan.overrides)
    train = runpy.run_path(str(TRAIN))
    train["require_corpora"](checked_settings(settings))
    start_server()
    if options:  # what train.py would refuse ends here; SpeechBrain takes a second to import
        command_line.parse([arguments.config, *options])
    require_current(plan, train["load_data"])
    from ser_brain.reporting.report import write_report
    from ser_brain.reporting.summary import summary_text
    from ser_brain.training.device import available_cpus, gpus, require_device

    for device in arguments.devices or ():
        require_device(device)
    at_once = min(PROBES_AT_ONCE, available_cpus()) if plan.is_probe else 1
    slots = arguments.devices or gpus() or [None] * at_once
    folder = run_plan(plan, slots, logger.info)
    page, results = write_report(folder)
    return Outcome(f"{summary_text(results)}\nreport: {page}", results)

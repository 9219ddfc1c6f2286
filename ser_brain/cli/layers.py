"""Compare the layers of an encoder: a probe for each, tested on training speakers.

For every layer, for all layers side by side and for a learned mix, a probe is trained and
tested on inner folds of the experiment's training and validation speakers. The test set is
never used, so you may choose the layer by the result. Any setting of the YAML file can be
given as --key=value. Clips are embedded once; from the cache, the comparison takes seconds.

    ser layers hparams/probe/classification.yaml --corpus=emodb --data_folder=DIR
"""

from __future__ import annotations

import argparse
import runpy
import sys
import tempfile
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.core.tables import to_text
from ser_brain.data.experiment_config import ExperimentConfig
from ser_brain.training import command_line, config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.passes_on = True
    parser.add_argument("config", metavar="CONFIG", help="a probe's YAML file")
    parser.add_argument("--device", metavar="DEVICE", help="default: a GPU if there is one")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write (default: results/EXPERIMENT/CORPORA/layers)",
    )


def run(arguments: argparse.Namespace) -> Outcome:
    overrides, _ = command_line.parse_overrides(arguments.rest, ())
    file = config.find_settings(arguments.config)
    settings = config.read_settings(file, overrides)
    config.require_experiment(settings, file)
    given = config.checked_settings(settings)
    found = ExperimentConfig.from_settings(given)
    # Corpora are prepared by train.py; by its path, because it stands above this package.
    train = runpy.run_path(str(config.HOME / "train.py"))
    train["require_corpora"](given)
    out = arguments.out or Path("results", found.experiment, found.trained_on, "layers")
    # These import torch, which the help and the error of a mistake do without.
    from speechbrain.utils.distributed import infer_device

    from ser_brain.reporting.layers import advice, described, layer_table, write_layers
    from ser_brain.training.device import require_device
    from ser_brain.training.layers import SETTINGS, compare_layers, require_comparable

    require_comparable(given)
    device = arguments.device or infer_device()
    require_device(device)
    with tempfile.TemporaryDirectory() as unused:  # the settings name a run folder
        changed = [*overrides, *SETTINGS.items(), ("output_folder", unused)]
        settings = config.read_settings(file, changed)
        data = train["load_data"](config.with_brain(config.checked_settings(settings)))
        hparams = config.load_settings(settings)
        study = compare_layers(
            hparams, {**data.train, **data.valid}, device, sys.stderr.isatty()
        )
    write_layers(out, study, found.trained_on)
    table, advised = layer_table(study), advice(study, given["layer"], given["pooling"])
    text = f"{described(study)}\n\n{to_text(table)}\n\n{advised}\nfigure: {out / 'layers.png'}"
    facts = {
        "advice": advised,
        "layers": [dict(zip(table.head, r, strict=True)) for r in table.rows],
    }
    return Outcome(text, facts)

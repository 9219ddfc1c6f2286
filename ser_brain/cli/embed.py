"""Embed the utterances of corpora with an untuned encoder or with the encoder of a run.

An embedding is the mean over time of the encoder's output at any layer. ser circumplex reads
it. Utterances that a run was trained or validated on become a separate set (CORPUS-train).
--untrained replaces the encoder's weights by random ones, as a control.

    ser embed manifests/emodb.json --encoder openai/whisper-base --layer 3 last --out embeddings
    ser embed manifests/emodb.json --run results/emodb --out embeddings_tuned
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import MANY, Outcome
from ser_brain.core.errors import SERError
from ser_brain.core.tables import Table, to_text
from ser_brain.data.corpora import targets_of
from ser_brain.evaluation.runs import parts_of
from ser_brain.training.run import require_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "manifest",
        nargs="+",
        metavar="MANIFEST[:SOURCE]",
        help="corpora, with the label source if it is not the corpus's default",
    )
    add("--encoder", metavar="SOURCE", help="compact, a hub id or a folder")
    add("--run", type=Path, metavar="RUN", help="a run folder or a folds folder")
    add(
        "--layer",
        **MANY,
        metavar="N",
        help="transformer layers, or last (default: last; of a run: its own layer)",
    )
    add("--untrained", action="store_true", help="random weights, as a control for --encoder")
    add(
        "--data_folder",
        **MANY,
        type=Path,
        metavar="DIR",
        help="where the audio is, one folder for each manifest (default: the corpus card's)",
    )
    add("--device", default="cpu", help="such as cuda:0 (default: cpu)")
    add("--out", type=Path, required=True, metavar="DIR", help="where to write")


def run(arguments: argparse.Namespace) -> Outcome:
    if (arguments.encoder is None) == (arguments.run is None):
        raise SERError("Give either --encoder or --run.")
    if arguments.untrained and arguments.encoder is None:
        raise SERError("--untrained needs --encoder: a run is trained.")
    targets = targets_of(arguments.manifest, arguments.data_folder)
    if arguments.run is not None:
        for part in parts_of(arguments.run)[0].values():
            require_run(part)
    # These import torch, which the help and the error of a mistake do without.
    from ser_brain.inference.embed import embed, of_encoder, of_run
    from ser_brain.training.device import require_device

    require_device(arguments.device)
    layers = [int(layer) if layer.isdecimal() else layer for layer in arguments.layer]
    if arguments.encoder is not None:
        embedders = of_encoder(arguments.encoder, layers or ["last"], arguments.untrained)
    else:
        embedders = of_run(arguments.run, layers)
    written = embed(arguments.out, targets, embedders, arguments.device)
    table = Table("embedded", "", ["Part", "Set", "Utterances"])
    table.rows = [[part, name, n] for part, sets in written.items() for name, n in sets.items()]
    return Outcome(f"{to_text(table)}\nembeddings: {arguments.out}", {"parts": written})

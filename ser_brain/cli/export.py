"""Export a trained run as a self-contained model folder.

A folds folder becomes one model, the average of its folds, if these share a frozen encoder.
It is as small and fast as the model of one fold.

The folder contains the weights of the tested checkpoint and everything needed to use them; no
base encoder is downloaded. It loads with EmotionRecognizer, with SpeechBrain's
foreign_class, with plain transformers if the encoder allows it, and with ONNX Runtime
(--onnx; --int8 for a graph a third as large, see docs/small_models.md). Its README.md is a
model card made from the run's results; --results adds those of other folds or seeds of the
same recipe. See docs/model_format.md.

    ser export results/emodb/fold-1 model --results results/emodb --license cc-by-4.0
    ser export results/emodb model
    ser export results/emodb/fold-1 model --int8 results/manifests/emodb.json
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ser_brain.cli import MANY, Outcome
from ser_brain.core.files import remove_partial
from ser_brain.core.lock import beside, held
from ser_brain.evaluation.runs import FOLDS
from ser_brain.training.run import require_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, or a folds folder")
    add("folder", type=Path, metavar="DIR", help="where to write: a new folder")
    add("--name", help="of the model (default: its corpora and its encoder)")
    add(
        "--results",
        **MANY,
        type=Path,
        metavar="RUN",
        help="run or folds folders of the same recipe, whose results the card shows, too",
    )
    add(
        "--license",
        default="other",
        metavar="ID",
        help="the hub's name of the model's licence, such as cc-by-4.0 (default: other)",
    )
    add("--onnx", action="store_true", help="write model.onnx, too")
    add(
        "--int8",
        **MANY,
        metavar="AUDIO",
        help="write model.int8.onnx, too, calibrated on these clips: folders, files, patterns "
        "or manifests",
    )
    add(
        "--adapter",
        action="store_true",
        help="write the adapter alone, a few MB, of a run with the setting lora",
    )


def run(arguments: argparse.Namespace) -> Outcome:
    if not (arguments.run / FOLDS).is_file():
        require_run(arguments.run)
    # These import torch, which the help and the error of a mistake do without.
    from ser_brain.inference.int8 import change_text
    from ser_brain.inference.transformers_layout import why_not
    from ser_brain.publishing.export import export, export_adapter

    if arguments.adapter:
        files = export_adapter(arguments.run, arguments.folder)
        size = sum(files.values()) / 1e6
        facts = {"folder": str(arguments.folder), "files": files}
        return Outcome(f"adapter: {size:.2f} MB in {arguments.folder}", facts)
    with held(beside(arguments.folder), arguments.folder):
        remove_partial(arguments.folder.parent, arguments.folder.name)
        options = arguments.name, arguments.results, arguments.license, arguments.onnx
        done = export(arguments.run, arguments.folder, *options, arguments.int8)
    reason = why_not(done.config)
    size = sum(done.files.values())
    lines = [
        f"{done.config.name}: {size / 1e6:.1f} MB in {len(done.files)} files",
        f"largest difference from the run's scores: {done.difference:.1e}",
        "plain transformers: " + ("yes" if reason is None else f"no, {reason}"),
        f"model folder: {arguments.folder}",
    ]
    ensemble = done.config.card.get("ensemble")
    if ensemble:
        parts = f"{len(ensemble['parts'])} {ensemble['of']}"
        lines.insert(1, f"average of {parts}, which share one encoder: as fast as one of them")
    if done.onnx_difference is not None:
        lines.insert(-2, f"largest difference of model.onnx: {done.onnx_difference:.1e}")
    if done.int8_change is not None:
        lines.insert(-2, f"model.int8.onnx: {change_text(done.int8_change)}")
    facts = {
        "folder": str(arguments.folder),
        "files": done.files,
        "largest_difference": done.difference,
        "onnx_difference": done.onnx_difference,
        "int8_change": asdict(done.int8_change) if done.int8_change else None,
        "plain_transformers": reason is None,
        **done.config.as_block(),
    }
    return Outcome("\n".join(lines), facts)

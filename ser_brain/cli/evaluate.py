"""Evaluate a trained or published model on corpora, and write or update its report.

    ser evaluate results/classification/emodb/1 --on manifests/cremad.json:rated_voice
    ser evaluate MODEL --on manifests/emodb.json --out judged --per_class 40

RUN is a run folder, or a folds folder, in which the models of all folds are evaluated. The
predictions are stored there and reused as long as the model and the manifest do not change.
The reports of the folds are updated too.

MODEL is a folder that ser export wrote, or a published model: an audio classifier of
transformers, wav2vec 2.0 for arousal, dominance and valence, SpeechBrain's IEMOCAP recipe, or
an ONNX graph (docs/published_models.md). Its predictions go to --out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.cli._models import add_model_arguments, recognizer_of
from ser_brain.core.errors import SERError
from ser_brain.core.files import RECORD
from ser_brain.data.corpora import add_on_arguments, targets
from ser_brain.evaluation.runs import FOLDS, parts_of
from ser_brain.training.run import require_run

MODEL = ("config.json", "model.onnx", "label_encoder.txt")  # one of them is in a model's folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run, a folds folder, a model or hub id")
    add_on_arguments(parser, required=True)
    of_models = parser.add_argument_group("options of a MODEL")
    of_models.add_argument("--out", type=Path, metavar="DIR", help="where the results go")
    add_model_arguments(of_models)


def run(arguments: argparse.Namespace) -> Outcome:
    folder = Path(arguments.run)
    is_run = any((folder / name).is_file() for name in (FOLDS, RECORD))
    if not is_run and (not folder.is_dir() or any((folder / name).is_file() for name in MODEL)):
        return _of_model(arguments)
    for option in ("out", "labels", "classes", "revision"):
        if getattr(arguments, option):
            raise SERError(
                f"--{option} is for models; the results of a run stay in its folder."
            )
    for part in parts_of(folder)[0].values():
        require_run(part)
    chosen = targets(arguments)
    # These import torch, which the help and the error of a mistake do without.
    from ser_brain.reporting.report import renew_reports, write_report
    from ser_brain.reporting.summary import summary_text
    from ser_brain.training.predict_corpus import predict_on

    predict_on(folder, chosen, arguments.device)
    page, results = write_report(folder)
    renew_reports(folder)  # those of the folds
    return Outcome(f"{summary_text(results)}\nreport: {page}", results)


def _of_model(arguments: argparse.Namespace) -> Outcome:
    from ser_brain.core.hub import model_folder

    model_folder(arguments.run, arguments.revision)  # a wrong name needs no import of torch
    if arguments.out is None:
        raise SERError("A model has no place for results; name one with --out DIR.")
    chosen = targets(arguments)
    from ser_brain.inference.judge import judge_model
    from ser_brain.reporting.report import write_report
    from ser_brain.reporting.summary import summary_text

    recognizer = recognizer_of(arguments.run, arguments)
    judge_model(recognizer, chosen, arguments.out, arguments.classes)
    page, results = write_report(arguments.out)
    return Outcome(f"{summary_text(results)}\nreport: {page}", results)

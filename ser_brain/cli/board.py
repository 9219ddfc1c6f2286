"""Compare models on a board: a page and a JSON file with ranks, intervals and the top group.

Rows are models: runs, folds folders, and the output of ser evaluate MODEL and ser import.
Columns are the test sets that they predicted; models tested on the same utterances with the
same classes share a column. Chance and the majority class have their own rows. The page is
self-contained and works offline.

    ser board results/classification/emodb/speaker-5fold judged/theirs judged/gpt --out board

To add a model later to a board, which remembers the others:

    ser board judged/new --out board

With --on, models and runs are first tested on these corpora, and their size and speed are
measured. --baselines trains functionals (and eGeMAPS, if openSMILE is installed) and a frozen
probe on other corpora, and adds them to the board:

    ser board MODEL --on manifests/emodb.json --baselines manifests/emovo.json --out board
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from ser_brain.cli import MANY, Outcome
from ser_brain.cli._baselines import SETTINGS, train_baselines
from ser_brain.cli._models import add_model_arguments, recognizer_of
from ser_brain.core.errors import SERError
from ser_brain.core.files import RECORD
from ser_brain.data.corpora import Target, add_on_arguments, parse_manifest, targets
from ser_brain.evaluation.runs import ADAPTED, FOLDS, models_in, parts_of
from ser_brain.reporting.board import board_text, write_board

CLASSES = ("anger", "happiness", "sadness", "neutral")  # of baselines, where none are named
OF_ON = ("data_folder", "where", "balanced", "per_class", "labels", "classes", "revision")
OF_ON += ("baselines", "encoder_source")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = "folders of runs, folds or judged models (none: the page is written again); with "
    what += "--on also models' folders and hub ids"
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", help=what)
    where = "folder of the page; models that are on it stay"
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=where)
    judged = parser.add_argument_group("to judge and measure models first")
    add_on_arguments(judged, required=False)
    add_model_arguments(judged)
    beside = "train functionals and a frozen probe on these, and put them beside"
    judged.add_argument("--baselines", **MANY, metavar="MANIFEST[:SOURCE]", help=beside)
    encoder = "of the frozen probe: a folder or hub id (default: openai/whisper-base)"
    judged.add_argument("--encoder_source", metavar="SOURCE", help=encoder)


def run(arguments: argparse.Namespace) -> Outcome:
    costs: Mapping[Path, dict] = {}
    if arguments.on:
        folders, costs = _judged(arguments)
    else:
        for option in OF_ON:
            if getattr(arguments, option):
                raise SERError(f"--{option} is for models to judge; name corpora with --on.")
        folders = [model for folder in arguments.models for model in models_in(folder)]
    page, found = write_board(folders, arguments.out, costs)
    return Outcome(f"{board_text(found)}\n\npage: {page}", found)


def _judged(arguments: argparse.Namespace) -> tuple[list[Path], dict[Path, dict]]:
    """The folders of predictions of all models, and what the models cost."""
    chosen, out = targets(arguments), arguments.out / "judged"
    trained_on = {parse_manifest(text)[0].resolve() for text in arguments.baselines}
    for target in chosen:
        if target.manifest.resolve() in trained_on:
            raise SERError(
                f"{target.manifest} is named by --on and by --baselines. Leave it out of one, "
                "or train within it: ser folds hparams/baseline/classification.yaml."
            )
    if arguments.baselines and not arguments.classes:
        arguments.classes = [*CLASSES]
    # These import torch, which the help and the error of a mistake do without.
    from ser_brain.inference.judge import judge_model
    from ser_brain.inference.model_folder import find_model
    from ser_brain.inference.recognizer import EmotionRecognizer
    from ser_brain.publishing.cost import clips_of, cost_of
    from ser_brain.publishing.export import read_trained

    clips, runs = clips_of(chosen[0]), arguments.out / "baselines"
    costs: dict[Path, dict] = {}
    for model in arguments.models:
        if _is_judged(model):
            for run in models_in(model):
                costs[run] = _judge_run(run, chosen, clips, arguments.device)
            continue
        name = model.resolve().name
        folder, recognizer = out / name, recognizer_of(str(model), arguments)
        if folder in costs or (arguments.baselines and name in SETTINGS):
            raise SERError(f"Two models are named {name}. Rename one of the folders.")
        judge_model(recognizer, chosen, folder, arguments.classes)
        weights = find_model(str(model), arguments.revision)[0]
        costs[folder] = cost_of(recognizer, clips, weights)
    named = arguments.baselines, arguments.classes, arguments.encoder_source, runs
    for name, run_folder in (train_baselines(*named) if arguments.baselines else {}).items():
        model, config = read_trained(run_folder, name)
        recognizer = EmotionRecognizer(config, model, arguments.device or "cpu", name)
        judge_model(recognizer, chosen, out / name, arguments.classes)
        costs[out / name] = cost_of(recognizer, clips)
    return [*costs], costs


def _is_judged(model: Path) -> bool:
    """Whether a folder is that of a run, of folds, or of predictions alone."""
    return (model / FOLDS).is_file() or (model / "predictions").is_dir()


def _judge_run(
    folder: Path, chosen: list[Target], clips: list, device: str | None
) -> dict[str, object]:
    """Judge and measure a run or folds; of predictions alone, say why they are not."""
    from ser_brain.publishing.cost import run_cost
    from ser_brain.training.predict_corpus import predict_on

    if folder.name == ADAPTED:
        return {"not_measured": f"the encoder of {folder.parent.name}, and a head of its size"}
    if not all((part / RECORD).is_file() for part in parts_of(folder)[0].values()):
        return {"not_measured": "its answers were named, and no model"}
    predict_on(folder, chosen, device)
    return run_cost(folder, clips)

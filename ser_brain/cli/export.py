"""Write a trained run as a model folder that stands alone.

It holds the best checkpoint's weights and all that is needed to use them, and no base encoder
is fetched to load it: with EmotionRecognizer, with SpeechBrain's foreign_class, where its
encoder allows with plain transformers and, with --onnx, with ONNX Runtime. Its README.md is a
model card made of the run's results; --results adds those of the same recipe's other folds or
seeds. See docs/model_format.md.

    ser export results/classification/emodb/1 emodb-whisper-base
    ser export results/emodb/fold-1 model --results results/emodb --license cc-by-4.0
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.core.files import remove_partial
from ser_brain.core.lock import beside, held
from ser_brain.evaluation.runs import FOLDS
from ser_brain.training.run import require_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ser export``."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to write: a new folder")
    parser.add_argument("--name", help="of the model (default: its corpora and its encoder)")
    parser.add_argument(
        "--results",
        nargs="+",
        type=Path,
        default=[],
        metavar="RUN",
        help="runs or folds folders of the same recipe, whose results the card shows too",
    )
    parser.add_argument(
        "--license",
        default="other",
        metavar="ID",
        help="of the model, as the hub names it, e.g. cc-by-4.0 (default: other)",
    )
    parser.add_argument("--onnx", action="store_true", help="write model.onnx too")


def run(arguments: argparse.Namespace) -> Outcome:
    """Export and say what was written."""
    if not (arguments.run / FOLDS).is_file():  # whose parts are named, one of which to export
        require_run(arguments.run)
    # What brings torch, which the help and a mistake do without.
    from ser_brain.inference.transformers_layout import why_not
    from ser_brain.publishing.export import export

    with held(beside(arguments.folder), arguments.folder):
        remove_partial(arguments.folder.parent, arguments.folder.name)
        done = export(
            arguments.run,
            arguments.folder,
            arguments.name,
            arguments.results,
            arguments.license,
            arguments.onnx,
        )
    reason = why_not(done.config)
    size = sum(done.files.values())
    lines = [
        f"{done.config.name}: {size / 1e6:.1f} MB in {len(done.files)} files",
        f"largest difference from the run's scores: {done.difference:.1e}",
        "plain transformers: " + ("yes" if reason is None else f"no, {reason}"),
        f"model folder: {arguments.folder}",
    ]
    if done.onnx_difference is not None:
        lines.insert(2, f"largest difference of model.onnx: {done.onnx_difference:.1e}")
    facts = {
        "folder": str(arguments.folder),
        "files": done.files,
        "largest_difference": done.difference,
        "onnx_difference": done.onnx_difference,
        "plain_transformers": reason is None,
        **done.config.as_block(),
    }
    return Outcome("\n".join(lines), facts)

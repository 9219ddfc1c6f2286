"""Write a trained run as a model folder that stands alone.

It holds the best checkpoint's weights and all that is needed to use them, and no base encoder
is fetched to load it: with EmotionRecognizer, with SpeechBrain's foreign_class and, where its
encoder allows, with plain transformers. See docs/model_format.md.

    ser export results/classification/emodb/1 emodb-whisper-base
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.commands import Outcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ser export``."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to write: a new folder")
    parser.add_argument("--name", help="of the model (default: its corpora and its encoder)")


def run(arguments: argparse.Namespace) -> Outcome:
    """Export and say what was written."""
    from ser_brain.inference.export import export  # brings torch, which the help does without
    from ser_brain.inference.transformers_layout import why_not

    done = export(arguments.run, arguments.folder, arguments.name)
    reason = why_not(done.config)
    size = sum(done.files.values())
    lines = [
        f"{done.config.name}: {size / 1e6:.1f} MB in {len(done.files)} files",
        f"largest difference from the run's scores: {done.difference:.1e}",
        "plain transformers: " + ("yes" if reason is None else f"no, {reason}"),
        f"model folder: {arguments.folder}",
    ]
    facts = {
        "folder": str(arguments.folder),
        "files": done.files,
        "largest_difference": done.difference,
        "plain_transformers": reason is None,
        **done.config.as_block(),
    }
    return Outcome("\n".join(lines), facts)

"""Test whether a model puts the emotions on Russell's circle: order, distances, placement.

It works on embeddings (.npz beside the predictions, or written by ser embed) and runs no
model. --baseline takes further runs, such as an untuned encoder's embeddings, and judges them
on the same utterances. A page with tables and figures goes to RUN/circumplex, or to --out.

    ser circumplex results/emodb --baseline embeddings_untuned
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.analysis.circumplex.data import SPACES
from ser_brain.analysis.circumplex.report import write_circumplex
from ser_brain.analysis.circumplex.tables import order, order_words, summary
from ser_brain.cli import Outcome
from ser_brain.core.tables import to_text
from ser_brain.reporting.html import SAYS_NOTHING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ser circumplex``."""
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="a run folder, a folds folder, or of ser embed"
    )
    parser.add_argument(
        "--baseline",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="judged beside it, on its utterances",
    )
    parser.add_argument(
        "--space",
        choices=SPACES,
        default="embedding",
        help="embeddings, or predicted valence and arousal (default: embedding)",
    )
    parser.add_argument(
        "--test_set",
        nargs="+",
        default=[],
        metavar="NAME",
        help="sets to judge (default: all); the first is fitted on, unless there are "
        "embeddings of what the run was trained on",
    )
    parser.add_argument(
        "--components",
        type=int,
        default=3,
        metavar="K",
        help="principal components of the Gaussians and of the placement (default: 3)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write (default: RUN/circumplex)"
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Analyse and write the page."""
    out = arguments.out or arguments.run / "circumplex"
    results = write_circumplex(
        arguments.run,
        out,
        arguments.baseline,
        arguments.space,
        arguments.test_set,
        arguments.components,
    )
    return Outcome(f"{_text(results)}\nreport: {out / 'index.html'}", results)


def _text(results: dict) -> str:
    models = results["models"]
    lines = [to_text(summary(models))]
    for name, found in next(iter(models.values())).items():
        lines += ["", f"{name}:", *[f"  {sentence}" for sentence in order_words(found)]]
        tested = order(found)
        if tested.rows:
            lines.append(to_text(tested))
        if found["synthetic"]:
            lines.append(f"Synthetic speech: {SAYS_NOTHING}")
    return "\n".join(lines)

"""Test whether a model arranges the emotions as on Russell's circle.

It tests the order, the distances and the placement of the emotions. The command reads
embeddings (.npz files beside the predictions, or written by ser embed) and runs no model.
--baseline adds runs, such as the embeddings of an untuned encoder, and analyses them on the
same utterances. The page with tables and figures goes to RUN/circumplex, or to --out.

    ser circumplex results/emodb --baseline embeddings_untuned
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.analysis.circumplex.data import SPACES
from ser_brain.analysis.circumplex.report import write_circumplex
from ser_brain.analysis.circumplex.tables import order, order_words, summary
from ser_brain.cli import MANY, Outcome
from ser_brain.core.tables import to_text
from ser_brain.reporting.html import SAYS_NOTHING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run, folds or ser embed folder")
    add(
        "--baseline",
        type=Path,
        **MANY,
        metavar="RUN",
        help="further folders, judged on the same utterances",
    )
    add(
        "--space",
        choices=SPACES,
        default="embedding",
        help="embeddings, or predicted valence and arousal (default: embedding)",
    )
    add(
        "--test_set",
        **MANY,
        metavar="NAME",
        help="sets to judge (default: all). The map is fitted on the first, unless there are "
        "embeddings of the training data",
    )
    add(
        "--components",
        type=int,
        default=3,
        metavar="K",
        help="principal components of the Gaussians and of the placement (default: 3)",
    )
    add("--out", type=Path, metavar="DIR", help="where to write (default: RUN/circumplex)")


def run(arguments: argparse.Namespace) -> Outcome:
    out = arguments.out or arguments.run / "circumplex"
    what = arguments.baseline, arguments.space, arguments.test_set, arguments.components
    results = write_circumplex(arguments.run, out, *what)
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

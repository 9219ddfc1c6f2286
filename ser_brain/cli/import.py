"""Import answers of people or other systems as predictions, to judge them like a model.

FILE is a table, CSV or JSON lines. The column id or file names the utterance. The answers are
in the column answer (classes), in p_anger, p_happiness ... (probabilities), or in
predicted_valence and predicted_arousal (values). A class that is missing, refused or not among
the classes counts as wrong; the command reports how many there are.

    ser import answers.csv --on manifests/emodb.json --name gpt --out judged/gpt
    ser compare results/probe judged/gpt
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import MANY, Outcome
from ser_brain.core.errors import SERError
from ser_brain.data.corpora import add_on_arguments, parse_pair, targets

CLASSES = ("anger", "happiness", "sadness", "neutral")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the table of answers")
    add_on_arguments(parser, required=True)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="where the predictions go")
    add("--name", metavar="NAME", help="who answered (default: the name of the file)")
    classes = f"the classes that could be answered (default: {' '.join(CLASSES)})"
    add("--classes", nargs="+", default=[*CLASSES], metavar="CLASS", help=classes)
    labels = "meaning of a word, such as mad=anger; everyday words need no entry"
    add("--labels", **MANY, metavar="WORD=CLASS", help=labels)
    scale = "scale of answered valence and arousal (default: 1 5)"
    add(
        "--va_range",
        nargs=2,
        type=float,
        default=[1.0, 5.0],
        metavar=("LOW", "HIGH"),
        help=scale,
    )


def run(arguments: argparse.Namespace) -> Outcome:
    labels = dict(parse_pair("--labels", pair) for pair in arguments.labels)
    for word, meant in labels.items():
        if meant not in arguments.classes:
            raise SERError(f"--labels {word}={meant}: {meant} is not among the classes.")
    chosen = targets(arguments)
    if len(chosen) > 1:
        raise SERError("A table is of one corpus; give one --on, and import each by itself.")
    from ser_brain.inference.judge import judge_answers
    from ser_brain.reporting.report import write_report
    from ser_brain.reporting.summary import summary_text

    counts = judge_answers(
        arguments.file,
        arguments.name or arguments.file.stem,
        chosen[0],
        arguments.out,
        arguments.classes,
        labels,
        arguments.va_range,
    )
    page, results = write_report(arguments.out)
    said = ", ".join(f"{what} {count:,}" for what, count in counts.items())
    text = f"{said}\n{summary_text(results)}\nreport: {page}"
    return Outcome(text, {**results, "answers": counts})

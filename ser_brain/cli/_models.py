"""What the commands share that judge an exported or published model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ser_brain.cli import MANY
from ser_brain.data.corpora import parse_pair

if TYPE_CHECKING:
    from ser_brain.inference.recognizer import EmotionRecognizer


def add_model_arguments(parser: argparse._ActionsContainer) -> None:
    """Add the options that say which model, and which of its classes."""
    meant = "what a published model's classes mean, such as LABEL_0=anger"
    parser.add_argument("--labels", **MANY, metavar="RAW=CLASS", help=meant)
    chosen = "the classes to choose among, of all that the model knows"
    parser.add_argument("--classes", **MANY, metavar="CLASS", help=chosen)
    parser.add_argument("--revision", metavar="REV", help="branch, tag or commit of a hub id")


def recognizer_of(source: str, arguments: argparse.Namespace) -> EmotionRecognizer:
    """Load the model, as fast as it can be without rounding."""
    labels = dict(parse_pair("--labels", pair) for pair in arguments.labels)
    # These import torch, which the help and the error of a mistake do without.
    from ser_brain.inference.recognizer import EmotionRecognizer
    from ser_brain.training.device import use_fast_products

    model = source, arguments.revision, arguments.device
    recognizer = EmotionRecognizer.from_pretrained(*model, labels=labels)
    use_fast_products(recognizer.device)
    return recognizer

"""Open a page on this machine that scores a recording: a file, or the microphone.

It shows the probability of each emotion, valence and arousal among Russell's words and, of
longer recordings, the course over time; the table can be downloaded as CSV. Nothing leaves the
machine, and nothing is kept. See docs/app.md.

    pip install 'ser-recipes[app]'
    ser app MODEL --open
"""

from __future__ import annotations

import argparse

from ser_brain.cli import Outcome

PORT = 7860


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ser app``."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="model folder or hub id")
    add("--revision", help="branch, tag or commit of a hub id")
    add("--device", help="such as cpu or cuda:0 [a GPU if there is one]")
    add("--port", type=int, default=PORT, help=f"0 takes any that is free [{PORT}]")
    add(
        "--host",
        default="127.0.0.1",
        help="address to serve on [127.0.0.1: this machine alone]",
    )
    add("--open", action="store_true", help="show the page in the browser")


def run(arguments: argparse.Namespace) -> Outcome:
    """Serve the page until Ctrl-C."""
    # What brings torch, which the help does without.
    from ser_brain.inference.app.server import listen, require_gradio, serve
    from ser_brain.inference.recognizer import EmotionRecognizer
    from ser_brain.training.device import use_fast_products

    require_gradio()
    with listen(arguments.host, arguments.port) as taken:
        recognizer = EmotionRecognizer.from_pretrained(
            arguments.model, arguments.revision, arguments.device
        )
        use_fast_products(recognizer.device)
        serve(recognizer, taken, arguments.open)
    return Outcome("The page is closed; recordings are deleted.")

"""Serve a local web page that scores a recording from a file or the microphone.

The page shows the probability of each emotion, valence and arousal among Russell's words, and
for longer recordings their course over time. The table can be downloaded as CSV. The page runs
on this machine only, unless --host says otherwise. Recordings are deleted after half an hour,
or when the command ends. See docs/app.md.

    pip install 'ser-recipes[app]'
    ser app MODEL --open
"""

from __future__ import annotations

import argparse

from ser_brain.cli import Outcome

PORT = 7860


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="model folder or hub id")
    add("--revision", help="branch, tag or commit of a hub id")
    add("--device", help="such as cpu or cuda:0 (default: a GPU, if any)")
    add("--port", type=int, default=PORT, help=f"0 takes any free port (default: {PORT})")
    where = "address to serve on (default: %(default)s, only this machine)"
    add("--host", default="127.0.0.1", help=where)
    add("--open", action="store_true", help="open the page in the browser")


def run(arguments: argparse.Namespace) -> Outcome:
    # These import torch, which the help does without.
    from ser_brain.inference.app.server import listen, require_gradio, serve
    from ser_brain.inference.recognizer import EmotionRecognizer
    from ser_brain.training.device import use_fast_products

    require_gradio()
    with listen(arguments.host, arguments.port) as taken:
        model = arguments.model, arguments.revision, arguments.device
        recognizer = EmotionRecognizer.from_pretrained(*model)
        use_fast_products(recognizer.device)
        serve(recognizer, taken, arguments.open)
    return Outcome("The page is closed; recordings are deleted.")

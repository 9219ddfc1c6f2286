"""Show the emotion of live speech from the microphone or a pipe.

The command prints a line for every window of --window seconds; windows begin every --hop
seconds. Ctrl-C ends it. With --json, or if the output is piped, the lines are JSON, which ser
mood reads. With -, the audio comes from standard input: WAV, or raw 16-bit samples with --rate.
If the machine is slower than the audio, windows are skipped and counted, and the delay does not
grow. See docs/live.md.

    ser listen MODEL
    ffmpeg -i rtsp://camera -f wav - | ser listen MODEL - > day.jsonl
    arecord -f S16_LE -r 16000 | ser listen MODEL - --window 3 --hop 0.5
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

from ser_brain.cli import MANY, Outcome
from ser_brain.cli._models import recognizer_of
from ser_brain.core.errors import SERError, shown, shown_json
from ser_brain.core.hub import model_folder
from ser_brain.core.log import get_logger
from ser_brain.core.process import Terminated
from ser_brain.inference.waveform import SILENT

logger = get_logger(__name__)
STDIN = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="model folder or hub id")
    add("source", nargs="?", choices=[STDIN], help="- reads standard input")
    add("--rate", type=int, metavar="HZ", help="of raw 16-bit samples on standard input")
    add("--channels", type=int, default=1, help="of raw samples (default: 1)")
    add("--microphone", metavar="NAME", help="part of its name (default: the system's choice)")
    window = "length of the windows in seconds (default: %(default)g)"
    add("--window", type=float, default=4.0, metavar="S", help=window)
    hop = "step between windows in seconds (default: %(default)g)"
    add("--hop", type=float, default=1.0, metavar="S", help=hop)
    add("--adapt", action="store_true", help="adapt the emotions to what was heard so far")
    add("--revision", metavar="REV", help="branch, tag or commit of a hub id")
    meant = "what a published model's classes mean, such as LABEL_0=anger"
    add("--labels", **MANY, metavar="RAW=CLASS", help=meant)
    add("--device", help="such as cpu or cuda:0 (default: a GPU, if any)")


def run(arguments: argparse.Namespace) -> Outcome:
    if arguments.source == STDIN and sys.stdin.isatty():
        raise SERError("- reads audio from a pipe, and nothing is piped in.")
    if arguments.source != STDIN and arguments.rate is not None:
        raise SERError("--rate is that of standard input; give - after the model, too.")
    for name, example in ("rate", 16000), ("channels", 1):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise SERError(f"Bad --{name} {value}; expected {example}, for example.")
    model_folder(arguments.model, arguments.revision)  # a wrong name needs no import of torch
    # These import torch, which the help and the error of a mistake do without.
    from ser_brain.inference.live import Backlog, listen, table_row, warm_up
    from ser_brain.inference.live_sources import Microphone, Pipe

    if arguments.source == STDIN:
        source = Pipe(sys.stdin.fileno(), arguments.rate, arguments.channels)
    else:
        source = Microphone(arguments.microphone)
    recognizer = recognizer_of(arguments.model, arguments)
    windows = source.rate_hz, arguments.window, arguments.hop
    warm_up(recognizer, *windows)
    most_s = arguments.window + arguments.hop
    backlog = Backlog(source.rate_hz, arguments.hop, most_s, source.clock)
    heard = listen(recognizer, backlog, *windows, arguments.adapt)
    as_json = arguments.json or not sys.stdout.isatty()
    counts = Counts(arguments.window)
    try:
        with source.into(backlog):
            began = datetime.now().astimezone()
            if not as_json:
                logger.info("Listening; Ctrl-C ends it.")
            for found in counts.counted(heard):
                if not as_json:
                    print(shown(line(found)), flush=True)
                elif "error" not in found:
                    at = began + timedelta(seconds=found["start_s"])
                    time = {"time": at.isoformat(timespec="milliseconds")}
                    row = {**time, **table_row(found, recognizer)}
                    print(shown_json(json.dumps(row, ensure_ascii=False)), flush=True)
    except KeyboardInterrupt as stop:
        if isinstance(stop, Terminated):
            raise
    logger.info(counts.text())
    return Outcome("", None)


class Counts:
    """What was heard, in numbers that do not grow."""

    def __init__(self, window_s: float):
        self._window_s = window_s
        self.windows = self.skipped = self.silent = self.unscored = 0
        self.total_s = self.longest_s = 0.0

    def counted(self, heard: Iterator[dict]) -> Iterator[dict]:
        """The same scores; the first skipped window and every error are logged."""
        for found in heard:
            self.windows += 1
            self.total_s += found["delay_s"]
            self.longest_s = max(self.longest_s, found["delay_s"])
            if found.get("error") == SILENT:
                self.silent += 1
            elif "error" in found:
                self.unscored += 1
                logger.warning(f"No score at {found['start_s']:.1f} s: {found['error']}")
            if found["skipped"] and not self.skipped:
                logger.warning(
                    "This machine is slower than the audio: windows are skipped, so that the "
                    "delay does not grow. A longer --hop or a smaller model keeps up."
                )
            self.skipped += found["skipped"]
            yield found

    def text(self) -> str:
        """A line for the end."""
        if not self.windows:
            return f"Nothing was heard for {self._window_s:g} s."
        mean_s = self.total_s / self.windows
        return (
            f"{self.windows:,} window{'s' if self.windows > 1 else ''}, of which "
            f"{self.silent:,} silent (without a row) and {self.unscored:,} without a score; "
            f"{self.skipped:,} skipped. Delay: "
            f"{mean_s:.2f} s on average, {self.longest_s:.2f} s at most."
        )


def line(found: dict) -> str:
    """One window for a reader.

    Examples
    --------
    >>> scores = {"emotion": "anger", "probabilities": {"anger": 0.71}, "valence": 2.0}
    >>> line({"stop_s": 64.0, "warnings": [], "skipped": 2, **scores, "arousal": 4.25})
    '  1:04  anger 71 %  valence 2.00  arousal 4.25  (2 skipped)'
    """
    minutes, seconds = divmod(found["stop_s"], 60)
    parts = [f"{int(minutes):3d}:{seconds:02.0f}"]
    if "error" in found:
        parts.append("silent" if found["error"] == SILENT else "no score")
    else:
        if (emotion := found["emotion"]) is not None:
            parts.append(f"{emotion} {100 * found['probabilities'][emotion]:.0f} %")
        values = {name: found.get(name) for name in ("valence", "arousal", "dominance")}
        parts += [f"{name} {value:.2f}" for name, value in values.items() if value is not None]
    if found["skipped"]:
        parts.append(f"({found['skipped']} skipped)")
    return "  ".join(parts)

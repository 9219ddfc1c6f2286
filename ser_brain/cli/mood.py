"""Describe one person's predicted affect over hours, days and weeks.

PREDICTIONS is a table of timestamped predictions, CSV or JSON lines, one row for each piece of
speech: time (ISO 8601, such as 2026-03-02T08:15:30+01:00) or start (seconds, with
--recorded_at), duration (seconds), and valence and arousal or class probabilities (p_anger,
p_neutral ...) or both; speaker and id are optional. docs/mood.md describes it in full.

    ser mood anna.csv --out anna_mood --va_range 1 5 \\
        --compare 2026-03-02..2026-03-08 2026-03-09..2026-03-15
    ser mood --demo --out demo_mood

It writes a page with a heat map, the course of days and, where asked, a test of change between
two periods, with all numbers and figures beside it. It describes what a model predicted; it is
no diagnosis.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path

from ser_brain.analysis.mood.analysis import analyse
from ser_brain.analysis.mood.description import BY, span
from ser_brain.analysis.mood.report import summary, write_report
from ser_brain.analysis.mood.simulation import SPANS, planted, simulate
from ser_brain.analysis.mood.timeline import read_timeline
from ser_brain.cli import Outcome
from ser_brain.core.errors import SERError
from ser_brain.core.files import write_text
from ser_brain.core.tables import to_csv
from ser_brain.reporting.html import written_files

SIMULATED = "simulated.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ser mood``."""
    add = parser.add_argument
    add("predictions", nargs="?", type=Path, metavar="PREDICTIONS", help="the table")
    add("--out", type=Path, required=True, metavar="DIR", help="where the report goes")
    add(
        "--va_range", nargs=2, type=float, metavar=("LOW", "HIGH"), default=[-1.0, 1.0],
        help="scale of valence and arousal in the table [-1 1]",
    )  # fmt: skip
    add("--by", choices=BY, help="what a small map shows [by the length of the table]")
    add(
        "--compare", nargs=2, metavar=("A", "B"),
        help="test for a change between two periods, first..last day of each",
    )  # fmt: skip
    add(
        "--block_days", type=int, default=1, metavar="DAYS",
        help="consecutive days that the test keeps together [1]",
    )  # fmt: skip
    add("--speaker", metavar="NAME", help="whose rows to take")
    add("--zone", help="clock to set times with a zone to, such as Europe/Berlin")
    add("--recorded_at", metavar="TIME", help="when the recording began that start counts from")
    add("--demo", action="store_true", help="simulate two weeks with a known change instead")


def run(arguments: argparse.Namespace) -> Outcome:
    """Read or simulate the table, analyse it and write the page."""
    table, compared, truth = arguments.predictions, arguments.compare, None
    if arguments.demo == (table is not None):
        raise SERError("Expected PREDICTIONS or --demo, one of them. See ser mood --help.")
    if arguments.demo and compared:
        raise SERError("--demo compares its own two weeks; leave out --compare.")
    read = arguments.va_range, arguments.speaker, arguments.zone, arguments.recorded_at
    with tempfile.TemporaryDirectory() as folder:
        if arguments.demo:  # The table is a file of the report, written where that may be.
            table = Path(folder) / SIMULATED
            write_text(table, to_csv(simulate()))
            compared, truth = SPANS, planted()
        timeline = read_timeline(table, *read)
        spans = tuple(span(text) for text in compared or ())
        mood = analyse(timeline, arguments.by, spans, arguments.block_days)
        own = table.parent == arguments.out and table.name in written_files(arguments.out)
        copied = [table] if arguments.demo or own else []  # else a new report removes its own
        page = write_report(mood, arguments.out, _command(arguments), truth, copied)
    facts = mood.facts()
    return Outcome(f"{summary(facts, truth)}\n\nreport: {page}", facts)


def _command(arguments: argparse.Namespace) -> str:
    """The command line that does the same again."""
    what = ["--demo"] if arguments.demo else [str(arguments.predictions)]
    words = ["ser", "mood", *what, "--out", str(arguments.out)]
    for name in ("va_range", "by", "compare", "block_days", "speaker", "zone", "recorded_at"):
        value = getattr(arguments, name)
        if value is not None:
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)

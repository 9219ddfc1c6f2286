"""Describe one person's predicted affect over hours, days and weeks.

PREDICTIONS is a table of timestamped predictions, CSV or JSON lines, with a row for each
segment of speech: time (ISO 8601, such as 2026-03-02T08:15:30+01:00) or start (seconds,
with --recorded_at), duration (seconds), and valence and arousal, class probabilities
(p_anger, p_neutral ...) or both; speaker and id are optional. docs/mood.md describes it in
full. For what ser predict wrote, --recorded_at is when the recording began or, for several
recordings, a table that says it for each in the columns file and time.

    ser predict anna --model MODEL --window 4 --out anna.csv
    ser mood anna.csv --recorded_at recordings.csv --out anna_mood --va_range 1 5
    ser mood anna.csv --out anna_mood --va_range 1 5 \\
        --compare 2026-03-02..2026-03-08 2026-03-09..2026-03-15
    ser mood anna.csv --out anna_mood --baseline 7
    ser mood --demo --out demo_mood

The page shows a heat map and the course of the days. With --compare, it also tests for a
change between two periods; with --baseline, it shows which days are unusual for the person,
compared with earlier days only. All numbers and figures are beside it. It describes what a
model predicted; it is not a diagnosis.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path

from ser_brain.analysis.mood.analysis import analyse
from ser_brain.analysis.mood.baseline import Baseline
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
    add = parser.add_argument
    add("predictions", nargs="?", type=Path, metavar="PREDICTIONS", help="the table")
    add("--out", type=Path, required=True, metavar="DIR", help="where to write the report")
    add(
        "--va_range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        default=[-1.0, 1.0],
        help="scale of valence and arousal in the table (default: -1 1)",
    )
    add("--by", choices=BY, help="period of a small map (default: depends on the table)")
    add(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="test for a change between two periods, each FIRST_DAY..LAST_DAY",
    )
    add(
        "--block_days",
        type=int,
        default=1,
        metavar="DAYS",
        help="consecutive days that the test keeps together (default: 1)",
    )
    add(
        "--baseline",
        metavar="DAYS",
        help="compare days with the first DAYS days (5 or more), or with FIRST_DAY..LAST_DAY",
    )
    add("--speaker", metavar="NAME", help="use only the rows of this speaker")
    add("--zone", help="convert times to this time zone, such as Europe/Berlin")
    add(
        "--recorded_at",
        metavar="TIME|TABLE",
        help="for tables with start: when the recording began, or a table with the columns "
        "file and time",
    )
    add("--demo", action="store_true", help="simulate two weeks with a known change instead")


def run(arguments: argparse.Namespace) -> Outcome:
    table, compared, truth = arguments.predictions, arguments.compare, None
    if arguments.demo == (table is not None):
        raise SERError("Expected either PREDICTIONS or --demo. See ser mood --help.")
    if arguments.demo and compared:
        raise SERError("--demo compares its own two weeks; remove --compare.")
    baseline = Baseline.parse(arguments.baseline) if arguments.baseline else None
    read = arguments.va_range, arguments.speaker, arguments.zone, arguments.recorded_at
    with tempfile.TemporaryDirectory() as folder:
        if arguments.demo:  # The table is a file of the report, which write_report copies.
            table = Path(folder) / SIMULATED
            write_text(table, to_csv(simulate()))
            compared, truth = SPANS, planted()
        timeline = read_timeline(table, *read)
        spans = tuple(span(text) for text in compared or ())
        mood = analyse(timeline, arguments.by, spans, arguments.block_days, baseline)
        # A new report removes the files of the old one, of which the table may be one.
        own = table.parent == arguments.out and table.name in written_files(arguments.out)
        copied = [table] if arguments.demo or own else []
        page = write_report(mood, arguments.out, _command(arguments), truth, copied)
    facts = mood.facts()
    return Outcome(f"{summary(facts, truth)}\n\nreport: {page}", facts)


def _command(arguments: argparse.Namespace) -> str:
    """The command line that repeats the analysis."""
    what = ["--demo"] if arguments.demo else [str(arguments.predictions)]
    words = ["ser", "mood", *what, "--out", str(arguments.out)]
    others = ("baseline", "speaker", "zone", "recorded_at")
    for name in ("va_range", "by", "compare", "block_days", *others):
        value = getattr(arguments, name)
        if value is not None:
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)

"""Read a label table, and find out what its columns are.

A column is read if an option names it, or if its own name can mean only one thing.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ser_brain.core import tables
from ser_brain.core.errors import SERError, nearest
from ser_brain.data.labels import DIMENSIONS
from ser_brain.data.segment_tables import TIMES, name_and_unit, recognised_columns

COLUMNS = {
    "path": "column of audio paths, relative to the data folder",
    "emotion": "column of emotions",
    **{name: f"column of {name}s" for name in DIMENSIONS},
    "speaker": "column of speakers",
    "gender": "column of genders: female, male, other, f, m",
    "language": "column of languages: ISO 639 codes of two or three letters",
    "age": "column of the speakers' ages, in years or words",
    "accent": "column of the speakers' accents or mother tongues",
    "group": "column of recording sessions or dyads",
    "split": "column of the corpus's official train, valid, test",
    "text": "column of texts or text codes",
    "start": "column of starts inside the file: seconds or HH:MM:SS, ms where its name says so",
    "stop": "column of ends inside the file, written like starts",
    "duration": "column of durations, read where starts have no ends",
}

# Names that may mean the other end of a segment: unread, they would change the audio.
LIKE_START = re.compile(
    r"start|begin|onset|dur|length|frames|samples|(^|_)(from|since|offset)(_|$)"
)
LIKE_END = re.compile(
    r"stop|finish|dur|length|frames|samples|end(_|$|time|sec|ms)"
    r"|(^|_)(off|offset|to|until|len)(_|$)"
)
# Pairs that are no seconds for certain: unread, whole files would be taken for segments.
LIKE_BOTH = (
    *(("from", "to"), ("xmin", "xmax"), ("tmin", "tmax"), ("t0", "t1"), ("t_start", "t_end")),
    *((f"start_{unit}", f"end_{unit}") for unit in ("sample", "samples", "frame", "frames")),
)


def read_table(path: Path) -> tuple[list[str], dict[int, dict[str, str]]]:
    """The columns of a table, and its rows by line number (column -> cell, always text)."""
    table = tables.read_table(path)
    return table.columns, {
        line: {column: _as_text(row.get(column)) for column in table.columns}
        for line, row in table.rows.items()
    }


def require_columns(path: Path, columns: Iterable[str], needed: Iterable[str]) -> None:
    """Stop if a table lacks a column; the message lists its columns, most similar first."""
    columns = list(columns)
    for name in needed:
        if name not in columns:
            has = ", ".join(nearest(name, columns))
            raise SERError(f"{path} has no column {name!r}; its columns are: {has}.")


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def used_columns(
    table: Path, columns: Sequence[str], asked: Mapping[str, str], ignored: Iterable[str]
) -> dict[str, str]:
    """What is read (``path``, ``emotion`` ...) -> its column.

    Stop where a column is missing, where two could be the same thing, and at segments of files
    of which an end would not be read although another column may contain it.

    Parameters
    ----------
    asked : mapping
        The columns that options name.
    ignored : iterable of str
        Columns that are not recognised by their names.
    """
    require_columns(table, columns, [*asked.values(), *ignored])
    free = [c for c in columns if c and c not in ignored]
    used = recognised_columns(
        *(table, free, COLUMNS),
        lambda what, found: f"Name the one to read: --{what}_column {found[0]}.",
        asked,
    )
    # Beside a duration an offset is where a segment starts, beside an onset where it stops.
    times = {what: name_and_unit(used[what])[0] for what in TIMES if what in used}
    for column in free:
        if name_and_unit(column)[0] == "offset" and column not in used.values():
            if times.keys() == {"duration"}:
                used["start"] = column
            elif times == {"start": "onset"}:
                used["stop"] = column
    if "duration" not in asked and ("start" not in used or "stop" in used):
        used.pop("duration", None)
    _require_both_ends(table, [c for c in free if c not in used.values()], used)
    return used


def _require_both_ends(table: Path, unused: list[str], used: Mapping[str, str]) -> None:
    for known, other, option, like in (
        ("start", "stop", "--stop_column or --duration_column", LIKE_END),
        ("stop", "start", "--start_column", LIKE_START),
    ):
        if known not in used or other in used or "duration" in used:
            continue
        for column in unused:
            if like.search(name_and_unit(column)[0]):
                raise SERError(
                    f"{table} has a column for where utterances {known} ({used[known]}), and "
                    f"{column!r} may be where they {other}. Name it with {option}, or ignore "
                    f"it with --ignore_columns {shlex.quote(column)}."
                )
    named = {name_and_unit(column)[0]: column for column in unused}
    for start, stop in LIKE_BOTH:
        if not used.keys() & {"start", "stop"} and {start, stop} <= named.keys():
            pair = f"{shlex.quote(named[start])} {shlex.quote(named[stop])}"
            raise SERError(
                f"{table}: {named[start]!r} and {named[stop]!r} may be where utterances start "
                "and stop. If they are seconds, name them with --start_column and "
                f"--stop_column; if not, convert them, or ignore them: --ignore_columns {pair}."
            )

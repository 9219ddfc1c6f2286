"""A table of timestamped predictions as one person's timeline.

Axes: N pieces of speech, 2 = valence and arousal on [-1, 1].
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path

import numpy as np

from ser_brain.analysis.mood.table import (
    Rows,
    is_neutral,
    points,
    probabilities,
    prototype_points,
    read_rows,
)
from ser_brain.core.errors import SERError, bad_value

EXAMPLE = "2026-03-02T08:15:30 or 2026-03-02T08:15:30+01:00"
LONGEST_S = 3600.0  # a longer "piece of speech" is probably given in milliseconds


@dataclass(frozen=True)
class Timeline:
    """What a model predicted from one person's speech."""

    name: str  # file name of the table
    speaker: str | None
    local_N: np.ndarray  # when each piece began, by the wall clock, datetime64[us]
    seconds_N: np.ndarray  # speaking time, the weight of a piece
    va_N2: np.ndarray
    neutral_N: np.ndarray | None  # whether neutral is the most probable class
    notes: list[str]  # what a reader should know of the above


def read_timeline(
    path: str | Path,
    va_range: Sequence[float] = (-1.0, 1.0),
    speaker: str | None = None,
    zone: str | None = None,
    recorded_at: str | None = None,
) -> Timeline:
    """Read a table of timestamped predictions; docs/mood.md describes the format.

    Parameters
    ----------
    path : str or Path
        CSV or JSON lines.
    va_range : (float, float)
        Scale of valence and arousal in the table.
    speaker : str, optional
        Whose rows to take where there are several speakers.
    zone, recorded_at : str, optional
        See :func:`read_clock`.

    Raises
    ------
    SERError
        Naming the row and what was expected there.
    """
    rows, speaker, notes = _of_one_speaker(read_rows(path), speaker)
    if len(rows.cells) < 2:
        raise SERError(f"{rows.path.name} has one row; a course over time needs two or more.")
    clock = read_clock(rows, zone, recorded_at)
    seconds_N, overlaps = _speaking_time(rows, clock.instant_N)
    classes = probabilities(rows)
    found = points(rows, va_range)
    if found is None and classes is None:
        raise SERError(
            f"{rows.path.name} has neither valence and arousal nor class probabilities "
            f"(p_anger ...); its columns are: {', '.join(rows.cells[0])}."
        )
    va_N2, source = found or prototype_points(*classes)
    return Timeline(
        name=rows.path.name,
        speaker=speaker,
        local_N=clock.local_N,
        seconds_N=seconds_N,
        va_N2=va_N2,
        neutral_N=is_neutral(*classes) if classes else None,
        notes=[*source, clock.note, *overlaps, *notes],
    )


def _of_one_speaker(rows: Rows, wanted: str | None) -> tuple[Rows, str | None, list[str]]:
    """The rows of one speaker, their name, and a note on the other rows."""
    if not rows.has("speaker"):
        if wanted is not None:
            raise SERError(f"{rows.path.name} has no column speaker to find {wanted!r} in.")
        return rows, None, []
    speakers = [str(row.get("speaker") or "") for row in rows.cells]
    names = sorted(set(speakers) - {""})
    if wanted is None:
        if len(set(speakers)) > 1:
            unknown = " and rows without a speaker" if "" in speakers else ""
            raise SERError(
                f"{rows.path.name} has rows of {', '.join(names[:5])}{unknown}; a mood is one "
                "person's: choose with --speaker NAME."
            )
        return rows, names[0] if names else None, []
    if wanted not in names:
        raise bad_value("speaker", wanted, names)
    kept = [i for i, name in enumerate(speakers) if name == wanted]
    skipped = len(speakers) - len(kept)
    notes = [f"{skipped:,} rows of other or unknown speakers are skipped."] if skipped else []
    return rows.take(kept), wanted, notes


def _speaking_time(rows: Rows, instant_N: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Seconds of each piece, or until the next begins where they overlap."""
    if rows.has("duration"):
        seconds_N = rows.numbers("duration")
    elif rows.has("start") and rows.has("stop"):
        seconds_N = rows.numbers("stop") - rows.numbers("start")
    else:
        raise SERError(
            f"{rows.path.name} has neither a column duration (seconds) nor start and stop; "
            "the weights of the pieces of speech need it."
        )
    bad = np.flatnonzero((seconds_N <= 0) | (seconds_N > LONGEST_S))
    if len(bad):
        raise SERError(
            f"{rows.where(bad[0])}: the piece lasts {seconds_N[bad[0]]:g} s; expected seconds "
            f"above 0 and up to {LONGEST_S:g}. Are they milliseconds?"
        )
    apart_N = np.append(np.diff(instant_N) / np.timedelta64(1, "s"), np.inf)
    overlaps = int((seconds_N > apart_N).sum())
    notes = []
    if overlaps:
        notes.append(
            f"{overlaps:,} of {len(seconds_N):,} pieces overlap the next (sliding windows) "
            "and count until that begins, so that no second counts twice."
        )
    return np.minimum(seconds_N, apart_N), notes


@dataclass(frozen=True)
class Clock:
    """Two readings of every start."""

    local_N: np.ndarray  # The wall clock, which decides the hour, day and week.
    instant_N: np.ndarray  # universal time, or the wall clock without a zone; strictly rising
    note: str  # which clock it is, for the page


def read_clock(rows: Rows, zone: str | None = None, recorded_at: str | None = None) -> Clock:
    """Read the column ``time``, or ``start`` (seconds) after a given beginning.

    Parameters
    ----------
    rows : Rows
    zone : str, optional
        Such as ``Europe/Berlin``: times with a zone are converted to it.
    recorded_at : str, optional
        When the recording began that ``start`` counts from.

    Raises
    ------
    SERError
        If times are missing, malformed, some with and some without a zone, out of order or
        repeated.
    """
    moments = _moments(rows, recorded_at)
    aware = [moment.tzinfo is not None for moment in moments]
    if any(aware) != all(aware):
        one, other = aware.index(True), aware.index(False)
        raise SERError(
            f"{rows.where(one)} has a time with a zone, {rows.where(other)} one without; "
            "expected all or none."
        )
    if zone is not None and not any(aware):
        raise SERError("--zone converts times with a zone; those in the table have none.")
    try:
        local, instants, note = _readings(moments, zone)
    except OverflowError:
        raise SERError(f"A time of {rows.path.name} is outside the calendar.") from None
    clock = Clock(np.array(local, "datetime64[us]"), np.array(instants, "datetime64[us]"), note)
    _check_order(rows, clock.instant_N)
    return clock


def _moments(rows: Rows, recorded_at: str | None) -> list[datetime]:
    if rows.has("time"):
        if recorded_at is not None:
            raise SERError(
                f"{rows.path.name} has a column time; --recorded_at is for tables with only "
                "start, in seconds."
            )
        return [_parsed(row.get("time"), rows.where(i)) for i, row in enumerate(rows.cells)]
    if not rows.has("start"):
        raise SERError(
            f"{rows.path.name} has no column time (when each piece of speech began, such as "
            f"{EXAMPLE}) and no column start (seconds, with --recorded_at TIME)."
        )
    if recorded_at is None:
        raise SERError(
            f"{rows.path.name} has start in seconds but no time; give the beginning of the "
            f"recording with --recorded_at, such as {EXAMPLE}."
        )
    files = {row.get("file") for row in rows.cells}
    if len(files) > 1:
        raise SERError(
            f"{rows.path.name} has pieces of {len(files)} files, and start counts from the "
            "beginning of each. Add a column time."
        )
    began = _parsed(recorded_at, "--recorded_at")
    try:
        return [began + timedelta(seconds=start) for start in rows.numbers("start").tolist()]
    except OverflowError:
        raise SERError(f"A start of {rows.path.name} is outside the calendar.") from None


def _parsed(text: object, where: str) -> datetime:
    try:
        if not isinstance(text, str) or len(text.strip()) <= len("2026-03-02"):
            raise ValueError
        # Python 3.10 does not read the Z.
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise SERError(f"{where}: time is {text!r}; expected one like {EXAMPLE}.") from None


def _readings(
    moments: list[datetime], zone: str | None
) -> tuple[list[datetime], list[datetime], str]:
    """Wall clock, universal time, and a note on the clock."""
    if moments[0].tzinfo is None:
        return moments, moments, "Times are used as given; the table has no zone."
    instants = [moment.astimezone(timezone.utc).replace(tzinfo=None) for moment in moments]
    if zone is not None:
        place = _zone(zone)
        local = [moment.astimezone(place).replace(tzinfo=None) for moment in moments]
        return local, instants, f"Hours and days are those of {zone}."
    local = [moment.replace(tzinfo=None) for moment in moments]
    offsets = ", ".join(sorted({str(moment.tzinfo) for moment in moments}))
    note = f"Hours and days are those of the table's own clock ({offsets})."
    return local, instants, note


def _zone(name: str) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise SERError(
            f"Unknown time zone {name!r}; expected one like Europe/Berlin."
        ) from None


def _check_order(rows: Rows, instant_N: np.ndarray) -> None:
    late = np.flatnonzero(np.diff(instant_N) <= np.timedelta64(0))
    if not len(late):
        return
    i = int(late[0])
    if instant_N[i] == instant_N[i + 1]:
        raise SERError(
            f"{rows.where(i + 1)} has the same time as the row before it; the table may hold "
            "the same speech twice."
        )
    raise SERError(
        f"{rows.where(i + 1)} is earlier than the row before it. Sort the table by time. If "
        "the clock went back in autumn, give the times with their zone."
    )

"""When each piece of speech began: on the clock of the speaker, and in what order.

Axes: N pieces of speech.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path

import numpy as np

from ser_brain.analysis.mood import table
from ser_brain.analysis.mood.table import Rows, read_rows
from ser_brain.core.errors import SERError, bad_value

EXAMPLE = "2026-03-02T08:15:30 or 2026-03-02T08:15:30+01:00"


@dataclass(frozen=True)
class Clock:
    """Two readings of every start.

    Attributes
    ----------
    local_N : ndarray of datetime64[us]
        The wall clock, which tells hours, days and weeks.
    instant_N : ndarray of datetime64[us]
        Coordinated universal time; the wall clock where no zone is known. Strictly rising.
    note : str
        Which clock that is, for the page.
    """

    local_N: np.ndarray
    instant_N: np.ndarray
    note: str


def read_clock(rows: Rows, zone: str | None = None, recorded_at: str | None = None) -> Clock:
    """Read the column ``time``, or ``start`` (seconds) after a given beginning.

    Parameters
    ----------
    rows : Rows
    zone : str, optional
        Such as ``Europe/Berlin``: the clock to which times with a zone are set.
    recorded_at : str, optional
        When the recording began that ``start`` counts from.

    Raises
    ------
    SERError
        If times are missing, of no known form, some with and some without zone, out of
        order or repeated.
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
        raise SERError("--zone sets times that have a zone; those of the table have none.")
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
                f"{rows.path.name} has a column time; --recorded_at is for a table that has "
                "only start, in seconds."
            )
        return [_parsed(row.get("time"), rows.where(i)) for i, row in enumerate(rows.cells)]
    if not rows.has("start"):
        raise SERError(
            f"{rows.path.name} has no column time (when each piece of speech began, such as "
            f"{EXAMPLE}) and no column start (seconds, with --recorded_at TIME)."
        )
    if recorded_at is None:
        raise SERError(
            f"{rows.path.name} has start in seconds but no time; say when the recording began "
            f"with --recorded_at, such as {EXAMPLE}."
        )
    files = {row.get("file") for row in rows.cells}
    if len(files) > 1:
        raise SERError(
            f"{rows.path.name} has pieces of {len(files)} files, and start counts from the "
            "beginning of each. Give every row a time."
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
    """Wall clock, universal time and which clock it is."""
    if moments[0].tzinfo is None:
        return moments, moments, "Times are taken as they are; the table names no zone."
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
        raise SERError(f"No time zone {name!r}; expected one like Europe/Berlin.") from None


def _check_order(rows: Rows, instant_N: np.ndarray) -> None:
    late = np.flatnonzero(np.diff(instant_N) <= np.timedelta64(0))
    if not len(late):
        return
    i = int(late[0])
    if instant_N[i] == instant_N[i + 1]:
        raise SERError(
            f"{rows.where(i + 1)} has the same time as the row before it; the same speech may "
            "stand twice in the table."
        )
    raise SERError(
        f"{rows.where(i + 1)} is earlier than the row before it. Sort the table by time; where "
        "the clock went back in autumn, give the times with their zone."
    )


# One prediction of more than an hour is no piece of speech: those are milliseconds.
LONGEST_S = 3600.0


@dataclass(frozen=True)
class Timeline:
    """What a model said of one person's speech.

    Attributes
    ----------
    name : str
        File name of the table.
    speaker : str or None
    local_N : ndarray of datetime64[us]
        When each piece began, by the wall clock.
    seconds_N : ndarray
        Speaking time, the weight of a piece.
    va_N2 : ndarray
    neutral_N : ndarray of bool or None
        Whether neutral is the most probable class.
    notes : list of str
        What a reader should know of the above.
    """

    name: str
    speaker: str | None
    local_N: np.ndarray
    seconds_N: np.ndarray
    va_N2: np.ndarray
    neutral_N: np.ndarray | None
    notes: list[str]


def read_timeline(
    path: str | Path,
    va_range: Sequence[float] = (-1.0, 1.0),
    speaker: str | None = None,
    zone: str | None = None,
    recorded_at: str | None = None,
) -> Timeline:
    """Read a table of timestamped predictions; docs/mood.md has the format.

    Parameters
    ----------
    path : str or Path
        CSV or JSON lines.
    va_range : (float, float)
        Scale of valence and arousal in the table.
    speaker : str, optional
        Whose rows to take where there are several speakers.
    zone, recorded_at : str, optional
        See :func:`ser_brain.analysis.mood.timeline.read_clock`.

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
    classes = table.probabilities(rows)
    found = table.points(rows, va_range)
    if found is None and classes is None:
        raise SERError(
            f"{rows.path.name} has neither valence and arousal nor class probabilities "
            f"(p_anger ...); its columns are: {', '.join(rows.cells[0])}."
        )
    va_N2, source = found or table.prototype_points(*classes)
    return Timeline(
        name=rows.path.name,
        speaker=speaker,
        local_N=clock.local_N,
        seconds_N=seconds_N,
        va_N2=va_N2,
        neutral_N=table.is_neutral(*classes) if classes else None,
        notes=[*source, clock.note, *overlaps, *notes],
    )


def _of_one_speaker(rows: Rows, wanted: str | None) -> tuple[Rows, str | None, list[str]]:
    """The rows of one speaker, who that is, and how many rows are left out."""
    if not rows.has("speaker"):
        if wanted is not None:
            raise SERError(f"{rows.path.name} has no column speaker to find {wanted!r} in.")
        return rows, None, []
    said = [row.get("speaker") or None for row in rows.cells]
    names = sorted({str(name) for name in said if name is not None})
    if wanted is None:
        if len(names) > 1 or (names and None in said):
            nobody = " and of nobody" if None in said else ""
            raise SERError(
                f"{rows.path.name} has rows of {', '.join(names[:5])}{nobody}; a mood is that "
                "of one person: choose with --speaker NAME."
            )
        return rows, names[0] if names else None, []
    if wanted not in names:
        raise bad_value("speaker", wanted, names)
    kept = [i for i, name in enumerate(said) if name is not None and str(name) == wanted]
    left_out = len(said) - len(kept)
    notes = [f"{left_out:,} rows of others or of nobody are left out."] if left_out else []
    return rows.chosen(kept), wanted, notes


def _speaking_time(rows: Rows, instant_N: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Seconds of each piece; where it runs into the next, until that begins."""
    if rows.has("duration"):
        seconds_N = rows.numbers("duration")
    elif rows.has("start") and rows.has("stop"):
        seconds_N = rows.numbers("stop") - rows.numbers("start")
    else:
        raise SERError(
            f"{rows.path.name} has no column duration (seconds), nor start and stop; pieces "
            "of speech are weighted by it."
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
            f"{overlaps:,} of {len(seconds_N):,} pieces run into the next (overlapping "
            "windows) and count until that begins, so that no second counts twice."
        )
    return np.minimum(seconds_N, apart_N), notes

"""A table of timestamped predictions, CSV or JSON lines, as one person's timeline.

Axes: N pieces of speech, C classes, 2 = valence and arousal on [-1, 1].
"""

from __future__ import annotations

import os.path
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from ser_brain.analysis.mood.table import (
    Rows,
    points,
    probabilities,
    prototype_points,
    read_rows,
)
from ser_brain.core.errors import SERError, bad_value, first_few
from ser_brain.core.tables import read_table
from ser_brain.data.audio import split_channel
from ser_brain.data.segment_tables import Places, recognised_columns, require_columns, text_in

EXAMPLE = "2026-03-02T08:15:30 or 2026-03-02T08:15:30+01:00"
NEUTRAL = "neutral"
LONGEST_S = 3600.0  # a longer "piece of speech" is probably given in milliseconds
SHOWN = 5  # files that a message names


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
    va_range : (float, float)
        Scale of valence and arousal in the table.
    speaker : str, optional
        Whose rows to take where there are several speakers.
    zone : str, optional
        Such as ``Europe/Berlin``: times with a zone are converted to it.
    recorded_at : str, optional
        When the recording began, for tables with ``start`` (seconds) instead of ``time``; or
        the path of a table that says it for each recording, in the columns ``file`` and
        ``time``. The rows are then put in order of time.
    """
    rows, speaker, notes = _of_one_speaker(read_rows(path), speaker)
    if recorded_at is not None and _is_table(recorded_at):
        rows, unused = _with_times(rows, Path(recorded_at))
        notes, recorded_at = [*notes, *unused], None
    clock = read_clock(rows, zone, recorded_at)
    seconds_N, overlaps = _speaking_time(rows, clock.instant_N)
    classes = probabilities(rows)
    found = points(rows, va_range)
    if found is None and classes is None:
        raise SERError(
            f"{rows.path.name} has neither valence and arousal nor class probabilities "
            f"(p_anger ...); its columns are: {', '.join(rows.cells[0])}."
        )
    if len(rows.cells) < 2:
        raise SERError(f"{rows.path.name} has one row; a course over time needs two or more.")
    if rows.has("adapted_to"):
        notes = [*notes, _adapted(rows, seconds_N)]
    neutral_N = None
    if classes and "neutral" in classes[0]:
        neutral_N = classes[1].argmax(axis=1) == classes[0].index("neutral")
    va_N2, source = found or prototype_points(*classes)
    return Timeline(
        name=rows.path.name,
        speaker=speaker,
        local_N=clock.local_N,
        seconds_N=seconds_N,
        va_N2=va_N2,
        neutral_N=neutral_N,
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


def _adapted(rows: Rows, seconds_N: np.ndarray) -> str:
    """What ``ser predict --adapt`` did, and the share of neutral without it."""
    count_N = rows.numbers("adapted_to")
    note = (
        "Emotions are adapted to the voice without labels, each by itself and the pieces "
        f"before it ({count_N.min():,.0f} to {count_N.max():,.0f})."
    )
    plain = [row.get("unadapted_emotion") for row in rows.cells]
    if NEUTRAL not in plain:
        return note
    share = seconds_N[[emotion == NEUTRAL for emotion in plain]].sum() / seconds_N.sum()
    return f"{note} Unadapted, the share of neutral is {share:.2f}."


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
    # Times are whole microseconds, so pieces without a gap may seem to overlap by one.
    overlap_N = seconds_N - apart_N > 2e-6
    overlaps = int(overlap_N.sum())
    notes = []
    if overlaps:
        notes.append(
            f"{overlaps:,} of {len(seconds_N):,} pieces overlap the next (sliding windows) "
            "and count until that begins, so that no second counts twice."
        )
    pairs = dict.fromkeys(_two_files(rows, i) for i in np.flatnonzero(overlap_N).tolist())
    pairs.pop("", None)
    if pairs:
        notes.append(
            f"Recordings overlap in time: {first_few([*pairs], SHOWN, '; ')}. There, a piece "
            "counts until the next begins, whichever recording that is in."
        )
    return np.minimum(seconds_N, apart_N), notes


def _two_files(rows: Rows, i: int) -> str:
    """The files of a row and of the next one in words; empty where it is the same file."""
    files = sorted({text_in(row.get("file")) for row in rows.cells[i : i + 2]})
    return " and ".join(files) if len(files) > 1 else ""


@dataclass(frozen=True)
class Clock:
    """Two readings of every start."""

    local_N: np.ndarray  # the wall clock, which decides the hour, day and week
    instant_N: np.ndarray  # universal time, or the wall clock without a zone; strictly rising
    note: str  # which clock it is, for the page


def read_clock(rows: Rows, zone: str | None = None, recorded_at: str | None = None) -> Clock:
    """Read the column ``time``, or ``start`` after ``recorded_at``; see :func:`read_timeline`.

    An error says which times are missing, malformed, repeated, out of order, or lack the zone
    that others have.
    """
    moments = _moments(rows, recorded_at)
    _require_same_kind(moments, rows.where)
    if zone is not None and moments[0].tzinfo is None:
        raise SERError("--zone converts times with a zone; those in the table have none.")
    try:
        local, instants, note = _readings(moments, zone)
    except OverflowError:
        raise SERError(f"A time of {rows.path.name} is outside the calendar.") from None
    clock = Clock(np.array(local, "datetime64[us]"), np.array(instants, "datetime64[us]"), note)
    steps = np.diff(clock.instant_N)
    late = np.flatnonzero(steps <= np.timedelta64(0))
    if len(late):
        where = rows.where(int(late[0]) + 1)
        if not steps[late[0]]:
            files = _two_files(rows, int(late[0]))
            raise SERError(
                f"{where} has the same time as the row before it"
                f"{f' ({files})' if files else ''}; the table may hold the same speech twice."
            )
        raise SERError(
            f"{where} is earlier than the row before it. Sort the table by time. If the clock "
            "went back in autumn, give the times with their zone."
        )
    return clock


def _moments(rows: Rows, recorded_at: str | None) -> list[datetime]:
    if rows.has("time"):
        if recorded_at is not None:
            raise _needless(rows)
        return [_parsed(row.get("time"), rows.where(i)) for i, row in enumerate(rows.cells)]
    if not rows.has("start"):
        raise SERError(
            f"{rows.path.name} has no column time (when each piece of speech began, such as "
            f"{EXAMPLE}) and no column start (seconds, with --recorded_at)."
        )
    files = {row.get("file") for row in rows.cells}
    if len(files) > 1:
        raise SERError(
            f"{rows.path.name} has pieces of {len(files)} files, and start counts from the "
            "beginning of each. Give --recorded_at a table with the columns file and time: "
            f"when each recording began, such as {EXAMPLE}."
        )
    if recorded_at is None:
        raise SERError(
            f"{rows.path.name} has start in seconds but no time; give the beginning of the "
            f"recording with --recorded_at, such as {EXAMPLE}."
        )
    return _after(rows, [_parsed(recorded_at, "--recorded_at")] * len(rows.cells))


def _after(rows: Rows, began: Sequence[datetime]) -> list[datetime]:
    """When each row began, ``start`` seconds after its recording."""
    starts = rows.numbers("start").tolist()
    try:
        return [at + timedelta(seconds=s) for at, s in zip(began, starts, strict=True)]
    except OverflowError:
        raise SERError(f"A start of {rows.path.name} is outside the calendar.") from None


def _require_same_kind(moments: Sequence[datetime], where: Callable[[int], str]) -> None:
    """Stop if some times have a zone and others none; ``where`` names the nth time."""
    aware = [moment.tzinfo is not None for moment in moments]
    if any(aware) != all(aware):
        one, other = aware.index(True), aware.index(False)
        raise SERError(
            f"{where(one)} has a time with a zone, {where(other)} one without; expected all or "
            "none."
        )


def _is_table(recorded_at: str) -> bool:
    try:
        _parsed(recorded_at, "")
    except SERError:
        if os.path.isfile(recorded_at):
            return True
        raise SERError(
            f"--recorded_at is {recorded_at!r}; expected a time like {EXAMPLE}, or a table "
            "that exists, with the columns file and time."
        ) from None
    return False


def _with_times(rows: Rows, table: Path) -> tuple[Rows, list[str]]:
    """The rows with a ``time``, in its order; and a note on recordings that have no rows."""
    if rows.has("time"):
        raise _needless(rows)
    for column in ("file", "start"):
        if not rows.has(column):
            raise SERError(
                f"{rows.path.name} has no column {column}; with a table of --recorded_at, "
                "predictions need file and start (seconds)."
            )
    files = []
    for i, row in enumerate(rows.cells):
        if not (name := text_in(row.get("file"))):
            raise SERError(f"{rows.where(i)}: the name of the file is missing.")
        files.append(split_channel(name)[0])  # both channels began together
    began, others = _beginnings(table, list(dict.fromkeys(files)), rows.path.name)
    moments = _after(rows, [began[file] for file in files])
    order = sorted(range(len(files)), key=moments.__getitem__)
    timed = rows.take(order)
    for row, i in zip(timed.cells, order, strict=True):
        row["time"] = moments[i].isoformat()
    notes = [f"Files of {table.name} without rows here, not used: {others:,}."]
    return timed, notes if others else []


def _beginnings(
    table: Path, files: Sequence[Path], predictions: str
) -> tuple[dict[Path, datetime], int]:
    """When each file began, by a table; and how many other files the table names."""
    found = read_table(table)
    column = recognised_columns(table, found.columns, ("path", "time"))
    require_columns(table, found, column, ("path", "time"))
    places = Places(table, files)
    began: dict[Path, datetime] = {}
    lines: dict[Path, str] = {}
    others = set()
    for line, row in found.rows.items():
        where = f"{table.name}, line {line}"
        name = text_in(row.get(column["path"]))
        file = places.of(name and str(split_channel(name)[0]), where)
        if file is None:
            others.add(name)
            continue
        moment = _parsed(text_in(row.get(column["time"])), where)
        if began.setdefault(file, moment) != moment:
            raise SERError(f"{where}: {name} has another time than in {lines[file]}.")
        lines.setdefault(file, where)
    missing = [str(file) for file in files if file not in began]
    if missing:
        raise SERError(
            f"{table.name} has no time for {len(missing):,} of {len(files):,} files of "
            f"{predictions}: {first_few(missing, SHOWN)}."
        )
    where_of = list(lines.values())
    _require_same_kind(list(began.values()), where_of.__getitem__)
    return began, len(others)


def _needless(rows: Rows) -> SERError:
    return SERError(
        f"{rows.path.name} has a column time; --recorded_at is for tables with only start, in "
        "seconds."
    )


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
        try:
            place = zoneinfo.ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise SERError(
                f"Unknown time zone {zone!r}; expected one like Europe/Berlin."
            ) from None
        local = [moment.astimezone(place).replace(tzinfo=None) for moment in moments]
        return local, instants, f"Hours and days are those of {zone}."
    local = [moment.replace(tzinfo=None) for moment in moments]
    offsets = ", ".join(sorted({str(moment.tzinfo) for moment in moments}))
    note = f"Hours and days are those of the table's own clock ({offsets})."
    return local, instants, note

"""When each piece of speech began: on the clock of the speaker, and in what order.

Axes: N pieces of speech.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

import numpy as np

from ser_brain.errors import SERError
from ser_brain.mood.rows import Rows

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

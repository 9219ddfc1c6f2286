"""Hours, days and weeks of the calendar, and spans of days.

Axes: N pieces of speech, P periods.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ser_brain.errors import SERError, bad_value

BY = ("hour", "day", "week")
# More panels than this no reader compares.
MOST = 120
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Periods:
    """The calendar from the first to the last piece of speech, without holes.

    Attributes
    ----------
    by : str
        ``hour``, ``day`` or ``week`` (Monday to Sunday).
    starts_P : ndarray of datetime64
        Hours, or days.
    index_N : ndarray of int
        Period of each piece: the one it begins in.
    """

    by: str
    starts_P: np.ndarray
    index_N: np.ndarray

    @property
    def labels(self) -> list[str]:
        """What each period is called.

        Examples
        --------
        >>> periods_of(np.array(["2026-03-04T08:15"], "datetime64[us]"), "week").labels
        ['Week of 2026-03-02']
        """
        if self.by == "week":
            return [f"Week of {start}" for start in self.starts_P]
        if self.by == "hour":
            return [f"{start}:00".replace("T", " ") for start in self.starts_P]
        return [f"{start.item():%a} {start}" for start in self.starts_P]


def periods_of(local_N: np.ndarray, by: str) -> Periods:
    """Lay the calendar over starts.

    Parameters
    ----------
    local_N : ndarray of datetime64
        By the wall clock.
    by : str
    """
    if by not in BY:
        raise bad_value("period", by, BY)
    if by == "hour":
        start_N = local_N.astype("datetime64[h]")
        step = np.timedelta64(1, "h")
    else:
        start_N = local_N.astype("datetime64[D]")
        step = DAY
    if by == "week":
        # Weeks of numpy begin on Thursdays, as 1970 did; 3 days on, Mondays are Thursdays.
        start_N = (start_N + 3 * DAY).astype("datetime64[W]").astype("datetime64[D]") - 3 * DAY
        step = 7 * DAY
    first = start_N.min()
    index_N = ((start_N - first) // step).astype(np.int64)
    return Periods(by, first + step * np.arange(index_N.max() + 1), index_N)


def default_by(local_N: np.ndarray) -> str:
    """Hours of one day, days of less than two weeks, otherwise weeks."""
    days = local_N.astype("datetime64[D]")
    span = (days.max() - days.min()) // DAY + 1
    return "hour" if span == 1 else "day" if span < 14 else "week"


def check_count(periods: Periods) -> None:
    """Stop at more periods than a reader compares.

    Raises
    ------
    SERError
        Naming the next coarser kind.
    """
    if len(periods.starts_P) > MOST:
        coarser = {"hour": "use --by day", "day": "use --by week"}
        raise SERError(
            f"From first to last row there are {len(periods.starts_P):,} {periods.by}s, more "
            f"than {MOST}; {coarser.get(periods.by, 'split the table')}."
        )


def span(text: str) -> tuple[np.datetime64, np.datetime64]:
    """First and last day of a span such as ``2026-03-02..2026-03-08``.

    Raises
    ------
    SERError
        For another form, a date that does not exist, or an end before the beginning.

    Examples
    --------
    >>> first, last = span("2026-03-02..2026-03-08")
    >>> int((last - first) / DAY) + 1
    7
    """
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", text)
    try:
        if found is None:
            raise ValueError
        first, last = (np.datetime64(day, "D") for day in found.groups())
    except ValueError:
        raise SERError(
            f"Bad period {text!r}; expected two dates like 2026-03-02..2026-03-08."
        ) from None
    if last < first:
        raise SERError(f"Bad period {text!r}; it ends before it begins.")
    return first, last

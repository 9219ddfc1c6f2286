"""One person's predictions in time: read, checked, and weighted by speaking time.

Axes: N pieces of speech, 2 = valence and arousal on [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_brain.errors import SERError, bad_value
from ser_brain.mood import affect_columns
from ser_brain.mood.clock import read_clock
from ser_brain.mood.rows import Rows, read_rows

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
        See :func:`ser_brain.mood.clock.read_clock`.

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
    classes = affect_columns.probabilities(rows)
    found = affect_columns.points(rows, va_range)
    if found is None and classes is None:
        raise SERError(
            f"{rows.path.name} has neither valence and arousal nor class probabilities "
            f"(p_anger ...); its columns are: {', '.join(rows.cells[0])}."
        )
    va_N2, source = found or affect_columns.prototype_points(*classes)
    return Timeline(
        name=rows.path.name,
        speaker=speaker,
        local_N=clock.local_N,
        seconds_N=seconds_N,
        va_N2=va_N2,
        neutral_N=affect_columns.is_neutral(*classes) if classes else None,
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

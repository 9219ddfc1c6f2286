"""What gets no score, and why: files that cannot be used, silence within recordings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ser_brain.tables import Table


@dataclass(frozen=True)
class LeftOut:
    """A file, or a part of it, without a score.

    Attributes
    ----------
    file : str
    start_s, stop_s : float or None
        Where it lies in the file; None for its beginning or its end.
    reason : str
    """

    file: str
    start_s: float | None
    stop_s: float | None
    reason: str

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the file has a score."""
        return self.start_s is None

    @property
    def is_problem(self) -> bool:
        """Whether the file could not be used, or not to its end; silence within is none."""
        return self.stop_s is None


def merged(left_out: Iterable[LeftOut]) -> list[LeftOut]:
    """Put neighbours together: windows that touch or overlap, left out for one reason.

    The last window of a recording may lie within the one before it.

    Examples
    --------
    >>> windows = [LeftOut("a.wav", start, start + 4, "silent") for start in (0, 1, 2, 9)]
    >>> [(item.start_s, item.stop_s) for item in merged(windows)]
    [(0, 6), (9, 13)]
    >>> merged([LeftOut("a.wav", 0, 5, "silent"), LeftOut("a.wav", 1, 3, "silent")])[0].stop_s
    5
    """
    found: list[LeftOut] = []
    for item in left_out:
        if found and _touch(found[-1], item):
            ends = (found[-1].stop_s, item.stop_s)
            found[-1] = replace(found[-1], stop_s=None if None in ends else max(ends))
        else:
            found.append(item)
    return found


def table(left_out: Iterable[LeftOut]) -> Table:
    """One row for each, in seconds."""
    rows = [[item.file, item.start_s, item.stop_s, item.reason] for item in left_out]
    return Table("left_out", "", ["file", "start", "stop", "reason"], rows)


def _touch(one: LeftOut, other: LeftOut) -> bool:
    if (one.file, one.reason) != (other.file, other.reason) or None in (
        one.stop_s,
        other.start_s,
    ):
        return False
    return other.start_s <= one.stop_s

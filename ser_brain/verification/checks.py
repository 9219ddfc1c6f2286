"""One thing that is looked at, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ser_brain.errors import SERError

OK, DIFFERS, UNCHECKED = "OK", "DIFFERS", "not checked"
SHOWN = 3  # of many things that differ in the same way
Look = Callable[[], str | None]  # see check


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    item : str
        What, as a path in the folder or in words.
    state : str
        ``OK``, ``DIFFERS`` or ``not checked``.
    reason : str
        What differs, or why it was not checked.
    """

    item: str
    state: str
    reason: str = ""


def check(item: str, look: Look) -> Check:
    """Look at one thing.

    Parameters
    ----------
    item : str
    look : callable
        Raises a SERError that says what differs; gives the reason if it cannot look.
    """
    try:
        reason = look()
    except SERError as error:
        return Check(item, DIFFERS, str(error))
    return Check(item, OK) if reason is None else Check(item, UNCHECKED, reason)

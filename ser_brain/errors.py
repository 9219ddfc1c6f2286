"""The one error a user is meant to read, and the sentences it is made of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SERError(Exception):
    """A mistake the user can mend: what was found, what was expected, what to do next.

    Commands print it as one line, without a traceback, and exit with code 2.
    """

    def __str__(self) -> str:
        """The sentence alone: torch puts the traceback of a process that reads before it."""
        return super().__str__().rpartition(f"{__name__}.SERError: ")[2].rstrip("\n")


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Known names sorted with the ones most like ``name`` first.

    Parameters
    ----------
    name : str
        What the user typed.
    known : iterable of str
        Every name that would have been right.
    count : int
        How many close matches to put first.

    Returns
    -------
    list of str
        All known names, closest first, the rest in alphabetical order.

    Examples
    --------
    >>> nearest("emodbb", ["cremad", "emodb", "demo"])
    ['emodb', 'demo', 'cremad']
    """
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, n=count, cutoff=0.4)
    return close + [other for other in known if other not in close]


def bad_value(what: str, found: object, expected: Iterable[str]) -> SERError:
    """Build the error for a value that is not one of a closed set.

    Examples
    --------
    >>> str(bad_value("corpus", "emodbb", ["emodb", "demo"]))
    "Bad corpus 'emodbb'; expected one of: emodb, demo."
    >>> str(bad_value("test set", "deu", []))
    "Bad test set 'deu'; there is none to choose from."
    """
    known = nearest(found, expected)
    choice = f"expected one of: {', '.join(known)}" if known else "there is none to choose from"
    return SERError(f"Bad {what} {found!r}; {choice}.")

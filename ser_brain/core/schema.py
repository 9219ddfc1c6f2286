"""Checking what was read from a file that somebody else may have written.

A :class:`Bound` is a condition on one value; :func:`check` applies one to each key of a JSON
object. Nothing from an untrusted file is used before it has passed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ser_brain.core.errors import SERError

SHOWN = 60  # characters of a bad value that an error quotes


def check(
    found: object,
    bounds: Mapping[str, Bound],
    where: str,
    optional: Collection[str] = (),
    others: bool = False,
    advice: str = "",
) -> None:
    """Stop unless an object has these keys and every value is within its bound.

    Parameters
    ----------
    bounds : mapping
        Key -> what its value may be.
    where : str
        What the object is, for the error.
    optional : collection of str
        Keys that may be missing.
    others : bool
        Accept keys that ``bounds`` does not name.
    advice : str
        What to do: the sentence that ends the error.
    """
    end = f" {advice}" if advice else ""
    if not isinstance(found, dict):
        raise SERError(f"Bad {where}: found {shown(found)}, expected a JSON object.{end}")
    missing = [key for key in bounds if key not in found and key not in optional]
    if missing:
        raise SERError(f"Bad {where}: it lacks {', '.join(missing)}.{end}")
    for key, value in found.items():
        if key not in bounds:
            if others:
                continue
            raise SERError(f"Bad {where}: unknown key {shown(key)}.{end}")
        if not bounds[key].holds(value):
            raise SERError(
                f"Bad {key} in {where}: found {shown(value)}, expected {bounds[key].says}.{end}"
            )


def shown(value: object) -> str:
    """A value as an error quotes it: short, whatever it is."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


@dataclass(frozen=True)
class Bound:
    """A condition on a value, and its description in an error: ``a number from 0 to 1``."""

    holds: Callable[[Any], bool]
    says: str


def whole(low: int, high: int) -> Bound:
    """A whole number in a range; True and 1.0 are not whole numbers."""
    return Bound(
        lambda value: type(value) is int and low <= value <= high,
        f"a whole number from {low} to {high}",
    )


def number(low: float, high: float) -> Bound:
    """A finite number in a range; NaN fails both comparisons."""
    return Bound(
        lambda value: type(value) in (int, float) and low <= value <= high,
        f"a number from {low:g} to {high:g}",
    )


def one_of(*choices: object) -> Bound:
    """One of a few values, of the same type: 1 is not True."""
    return Bound(
        lambda value: any(type(value) is type(each) and value == each for each in choices),
        f"one of {', '.join(map(repr, choices))}",
    )


def text(longest: int) -> Bound:
    """Printable text on one line."""
    return Bound(
        lambda value: (
            isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
        ),
        f"printable text of at most {longest} characters",
    )


def list_of(item: Bound, shortest: int = 0, longest: int = sys.maxsize) -> Bound:
    """A list of ``shortest`` to ``longest`` items, each within a bound."""
    length = "" if longest == sys.maxsize else f" of {shortest} to {longest}"
    return Bound(
        lambda value: (
            isinstance(value, list)
            and shortest <= len(value) <= longest
            and all(map(item.holds, value))
        ),
        f"a list{length}, each {item.says}",
    )


def mapping_of(item: Bound, keys: Collection[str] | None = None) -> Bound:
    """An object whose values are within a bound, with any keys or some of those given."""
    named = "" if keys is None else f" with keys among {', '.join(keys)}"
    return Bound(
        lambda value: (
            isinstance(value, dict)
            and (keys is None or all(key in keys for key in value))
            and all(map(item.holds, value.values()))
        ),
        f"an object{named}, each value {item.says}",
    )


def nullable(bound: Bound) -> Bound:
    """None, or what a bound allows."""
    return Bound(lambda value: value is None or bound.holds(value), f"null or {bound.says}")


def plain(largest: float, deep: int) -> Bound:
    """Numbers, short texts, and lists and objects of these, nested up to some depth."""
    scalars = (number(-largest, largest), one_of(True, False), text(1000))

    def holds(value: object, deep: int = deep) -> bool:
        if value is None or value == "" or any(bound.holds(value) for bound in scalars):
            return True
        if not isinstance(value, list | dict) or len(value) > 1000 or not deep:
            return False
        inner = value.values() if isinstance(value, dict) else value
        return all(holds(each, deep - 1) for each in inner)

    return Bound(
        holds, f"numbers up to {largest:g}, short texts, and lists and objects of these"
    )


ANY = Bound(lambda value: True, "anything")
TEXT = Bound(lambda value: isinstance(value, str), "text")

# Compared, not converted: Python cannot make a float of 10**400.
FINITE = Bound(number(-sys.float_info.max, sys.float_info.max).holds, "a finite number")

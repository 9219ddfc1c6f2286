"""What a value of an untrusted file may be: kinds and sizes, checked before it is used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ser_brain.core.errors import SERError

SHOWN = 60


@dataclass(frozen=True)
class Bound:
    """A condition on a value, and how an error says it.

    Attributes
    ----------
    holds : callable
        Value -> whether it may be used.
    says : str
        ``a whole number from 1 to 96``.
    """

    holds: Callable[[object], bool]
    says: str


def whole(low: int, high: int) -> Bound:
    """A whole number between two ends; True is none."""

    def holds(value: object) -> bool:
        return type(value) is int and low <= value <= high

    return Bound(holds, f"a whole number from {low} to {high}")


def number(low: float, high: float) -> Bound:
    """A finite number between two ends."""

    def holds(value: object) -> bool:
        # A number that is none (NaN) lies between no ends.
        return type(value) in (int, float) and low <= value <= high

    return Bound(holds, f"a number from {low:g} to {high:g}")


def one_of(*choices: object) -> Bound:
    """One of a few values of the same kind."""

    def holds(value: object) -> bool:
        return any(type(value) is type(choice) and value == choice for choice in choices)

    return Bound(holds, f"one of {', '.join(map(repr, choices))}")


def text(longest: int) -> Bound:
    """Printable text on one line."""

    def holds(value: object) -> bool:
        return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()

    return Bound(holds, f"printable text of at most {longest} characters")


def list_of(item: Bound, shortest: int, longest: int) -> Bound:
    """A list whose items hold a bound."""

    def holds(value: object) -> bool:
        fits = isinstance(value, list) and shortest <= len(value) <= longest
        return fits and all(item.holds(each) for each in value)

    return Bound(holds, f"a list of {shortest} to {longest}, each {item.says}")


def nullable(bound: Bound) -> Bound:
    """None, or what a bound allows."""
    return Bound(lambda value: value is None or bound.holds(value), f"null or {bound.says}")


def plain(largest: float, deep: int) -> Bound:
    """Numbers, short texts, and lists and objects of these up to some depth."""
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


def check(
    found: object, bounds: Mapping[str, Bound], where: str, optional: Collection[str] = ()
) -> None:
    """Stop unless an object has just these keys, each within its bound.

    Parameters
    ----------
    found : object
        As read from JSON.
    bounds : mapping
        Key -> what it may be.
    where : str
        What the object is, for the error.
    optional : collection of str
        Keys that may be missing.

    Raises
    ------
    SERError
        Naming the first key that is missing, unknown or out of bounds.

    Examples
    --------
    >>> check({"layers": 99}, {"layers": whole(1, 96)}, "the configuration")
    Traceback (most recent call last):
    ser_brain.core.errors.SERError: Bad layers in the configuration: found 99, expected a \
whole number from 1 to 96.
    """
    if not isinstance(found, dict):
        raise SERError(f"Bad {where}: found {_shown(found)}, expected a JSON object.")
    for key in bounds.keys() - found.keys() - set(optional):
        raise SERError(f"Bad {where}: it lacks {key}.")
    for key, value in found.items():
        if key not in bounds:
            raise SERError(f"Bad {where}: unknown key {_shown(key)}.")
        if not bounds[key].holds(value):
            raise SERError(
                f"Bad {key} in {where}: found {_shown(value)}, expected {bounds[key].says}."
            )


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."

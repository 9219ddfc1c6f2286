"""The card of a predictions file: which model, which test set, which classes and scale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ser_brain.errors import SERError

CARD_KEYS = ("test_set", "role", "emotions", "va_range", "protocol", "experiment", "seed")


def card_path(path: Path) -> Path:
    """Where the card of a ``.jsonl`` predictions file lies."""
    return path.with_name(f"{path.name.removesuffix('.jsonl')}.card.json")


def check_card(card: Mapping, path: Path) -> None:
    """Stop at a card that cannot be trusted.

    Parameters
    ----------
    card : mapping
        ``temperature``, fitted on validation data, may be absent.
    path : Path
        The ``.jsonl`` file, for the errors.

    Raises
    ------
    SERError
        Naming the key and what was expected there.
    """
    missing = [key for key in CARD_KEYS if key not in card]
    if missing:
        raise SERError(f"Bad prediction card of {path}: it lacks {', '.join(missing)}.")
    bad = f"Bad prediction card of {path}"
    emotions, va_range, seed = card["emotions"], card["va_range"], card["seed"]
    if card["test_set"] != path.name.removesuffix(".jsonl"):
        raise SERError(f"{bad}: it is of test set {card['test_set']!r}. Rename the file back.")
    if not isinstance(seed, int) or seed < 0:
        raise SERError(f"{bad}: seed is {seed!r}, expected a whole number.")
    if not isinstance(emotions, list) or len(set(emotions)) != len(emotions):
        raise SERError(f"{bad}: emotions is {emotions!r}, expected a list without repeats.")
    if (
        not isinstance(va_range, list | tuple)
        or len(va_range) != 2
        or not all(isinstance(end, int | float) for end in va_range)
        or not va_range[0] < va_range[1]
    ):
        raise SERError(f"{bad}: va_range is {va_range!r}, expected [low, high].")
    temperature = card.get("temperature")
    if temperature is not None and not (
        isinstance(temperature, int | float) and temperature > 0
    ):
        raise SERError(f"{bad}: temperature is {temperature!r}, expected a number above 0.")

"""The card of a predictions file: which model, which test set, which classes and scale."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ser_brain.errors import SERError
from ser_brain.files import sha256_of

CARD_KEYS = ("test_set", "role", "emotions", "va_range", "protocol", "experiment", "seed")

SHA256 = "sha256"  # file -> of its bytes, as they were written


def card_path(path: Path) -> Path:
    """Where the card of a ``.jsonl`` predictions file, or of its ``.npz``, lies."""
    name = path.name.removesuffix(".jsonl").removesuffix(".npz")
    return path.with_name(f"{name}.card.json")


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
    for key in ("role", "protocol", "experiment"):
        if not isinstance(card[key], str):
            raise SERError(f"{bad}: {key} is {card[key]!r}, expected text.")
    if type(seed) is not int or seed < 0:
        raise SERError(f"{bad}: seed is {seed!r}, expected a whole number.")
    if not (isinstance(emotions, list) and all(isinstance(e, str) for e in emotions)):
        raise SERError(f"{bad}: emotions is {emotions!r}, expected a list of names.")
    if len(set(emotions)) != len(emotions):
        raise SERError(f"{bad}: emotions is {emotions!r}, expected a list without repeats.")
    if (
        not isinstance(va_range, list | tuple)
        or len(va_range) != 2
        or not all(map(_is_number, va_range))
        or not va_range[0] < va_range[1]
    ):
        raise SERError(f"{bad}: va_range is {va_range!r}, expected [low, high].")
    if not isinstance(card.get(SHA256, {}), dict):
        raise SERError(f"{bad}: {SHA256} is {card[SHA256]!r}, expected file names with hashes.")
    temperature = card.get("temperature")
    if temperature is not None and not (_is_number(temperature) and temperature > 0):
        raise SERError(f"{bad}: temperature is {temperature!r}, expected a number above 0.")


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < sys.float_info.max


def require_as_written(path: Path, card: Mapping) -> None:
    """Stop if the rows or embeddings of a predictions file were damaged or edited.

    A card without ``sha256`` is of an earlier version or of somebody else's; its files are
    taken as they are.

    Parameters
    ----------
    path : Path
        The ``.jsonl`` or the ``.npz``.
    card : mapping

    Raises
    ------
    SERError
        Saying how a change that was meant is accepted.
    """
    expected = card.get(SHA256, {}).get(path.name)
    if expected is not None and expected != sha256_of(path):
        raise SERError(
            f"{path} is not as it was written. If it was damaged, remove it and run the "
            f"evaluation again. If you edited it, take {SHA256!r} out of {card_path(path)}."
        )

"""Ratings as the MSP corpora write them: ``rater; emotion; A:3; V:4; D:2;``."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ser_brain.data.labels import annotation

CODES = {
    "A": "anger",
    "S": "sadness",
    "H": "happiness",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
    "O": "other",
    "X": None,  # no agreement
}
WORDS = {
    "angry": "anger",
    "sad": "sadness",
    "happy": "happiness",
    "surprise": "surprise",
    "surprised": "surprise",
    "fear": "fear",
    "disgust": "disgust",
    "disgusted": "disgust",
    "contempt": "contempt",
    "neutral": "neutral",
}
DIMENSION = {"A": "arousal", "V": "valence", "D": "dominance"}


def cells_of(line: str | Iterable[str]) -> list[str]:
    """The parts of a line between semicolons; or of a row, of whose cells one may be a line."""
    parts = [line] if isinstance(line, str) else line
    return [cell.strip() for part in parts for cell in part.split(";")]


def voted(word: str) -> str:
    """The class of a rater's own word; words beyond the list (``Other-Annoyed``) are other."""
    return WORDS.get(word.lower(), "other")


def vad_of(cells: Iterable[str]) -> dict[str, float | None]:
    """Valence, arousal and dominance of cells like ``A:3.5``; None for what is no number."""
    pairs = (cell.partition(":") for cell in cells)
    found = {DIMENSION[key]: number(value) for key, _, value in pairs if key in DIMENSION}
    return {dimension: found.get(dimension) for dimension in sorted(DIMENSION.values())}


def number(cell: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def consensus(
    code: str, votes: dict[str, int] | None, vad: dict[str, float | None], **more: object
) -> dict:
    """The label that the raters agreed on. A blank code is none, like ``X``."""
    emotion = CODES.get(code) if code else None
    rated = vad if any(value is not None for value in vad.values()) else None
    return annotation(emotion, code or None, votes=votes or None, vad=rated, **more)

"""From the emotion codes of a table to canonical emotions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.errors import SERError, bad_value
from ser_brain.labels import EMOTIONS

# Everyday words and the codes of known corpora that mean one emotion only.
SYNONYMS = {
    "anger": ("angry", "ang", "anger"),
    "happiness": ("happy", "hap", "joy", "joyful", "happiness"),
    "sadness": ("sad", "sadness"),
    "neutral": ("neu", "neutrality"),
    "excitement": ("excited", "exc"),
    "frustration": ("frustrated", "fru"),
    "fear": ("fearful", "afraid", "scared", "fea"),
    "disgust": ("disgusted", "dis"),
    "surprise": ("surprised", "sur"),
    "boredom": ("bored",),
    "contempt": ("contemptuous",),
    "calm": ("calmness",),
}
KNOWN = {emotion: emotion for emotion in EMOTIONS} | {
    word: emotion for emotion, words in SYNONYMS.items() for word in words
}
NONE = "none"  # in --emotion_map: this code is no emotion, keep the row without one


def emotions_of(
    codes: Sequence[str | None], emotion_map: Mapping[str, str | None], table: Path
) -> list[str | None]:
    """The canonical emotion of each code.

    Parameters
    ----------
    codes : sequence of str or None
        As the table has them; None where a cell is empty.
    emotion_map : mapping
        Code -> canonical emotion, or ``none``; goes before the everyday words.
    table : Path
        For errors.

    Raises
    ------
    SERError
        For an entry that no row has or that maps to no emotion, and for codes that nothing
        maps, with all of them and how to map them.

    Examples
    --------
    >>> emotions_of(["Angry", "x", None], {"x": "none"}, Path("t.csv"))
    ['anger', None, None]
    """
    mapping = {str(raw): _target(emotion) for raw, emotion in emotion_map.items()}
    there = Counter(code for code in codes if code is not None)
    unused = [raw for raw in mapping if raw not in there]
    if unused:
        raise bad_value(f"code in --emotion_map for {table.name}", unused[0], there)
    unknown = {c: n for c, n in there.items() if c not in mapping and c.lower() not in KNOWN}
    if unknown:
        listed = ", ".join(f"{code} ({n} rows)" for code, n in unknown.items())
        pairs = " ".join(f"{code}=EMOTION" for code in unknown)
        raise SERError(
            f"{table} has {len(unknown)} emotion codes without a meaning: {listed}. Give them "
            f"one with --emotion_map {pairs}, where EMOTION is one of {', '.join(EMOTIONS)}, "
            f"or {NONE}."
        )
    return [
        None if code is None else mapping[code] if code in mapping else KNOWN[code.lower()]
        for code in codes
    ]


def _target(emotion: str | None) -> str | None:
    if emotion is None or str(emotion).lower() == NONE:
        return None
    if emotion not in EMOTIONS:
        raise bad_value("emotion in --emotion_map", emotion, (*EMOTIONS, NONE))
    return emotion

"""What may stand in a manifest and its card: checked once, on reading, and trusted after that.

Standard library only. What a card lacks is no mistake here: whoever needs it says so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from ser_brain.errors import SERError
from ser_brain.labels import DIMENSIONS, EMOTIONS

SHOWN = 60  # characters of a bad value
Test = tuple[Callable[[object], bool], str]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _text_or_null(value: object) -> bool:
    return value is None or isinstance(value, str)


def _number(value: object) -> bool:
    # A comparison, because Python makes no float of a whole number beyond the largest float.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _time(value: object) -> bool:
    return value is None or (_number(value) and value >= 0)


def _emotion(value: object) -> bool:
    return value is None or value in EMOTIONS


def _vad(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and all(k in DIMENSIONS and (v is None or _number(v)) for k, v in value.items())
    )


def _label(value: object) -> bool:
    return (
        isinstance(value, dict)
        and "emotion" in value
        and _text_or_null(value["emotion"])
        and _emotion(value["emotion"])
        and _vad(value.get("vad"))
    )


def _labels(value: object) -> bool:
    return isinstance(value, dict) and all(map(_label, value.values()))


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _lists(value: object) -> bool:
    return isinstance(value, list) and all(map(_texts, value))


def _mapping(value: object) -> bool:
    return isinstance(value, dict)


def _scale(value: object) -> bool:
    return value is None or (
        isinstance(value, list)
        and len(value) == 2
        and all(map(_number, value))
        and value[0] < value[1]
    )


TEXT: Test = (_text, "text")
FACT: Test = (_text_or_null, "text or null")
TIME: Test = (_time, "seconds from 0, or null")
ENTRY: Mapping[str, Test] = {
    "wav": TEXT,
    "start": TIME,
    "stop": TIME,
    "duration": (lambda value: _number(value) and value > 0, "seconds above 0"),
    "sample_rate": (lambda value: type(value) is int and value > 0, "a whole number of hertz"),
    "corpus": TEXT,
    "speaker": FACT,
    "gender": FACT,
    "language": FACT,
    "group": FACT,
    "split": FACT,
    "text": FACT,
    "labels": (
        _labels,
        "label sources with an emotion each (null or one of "
        f"{', '.join(EMOTIONS)}), and with vad in numbers or null",
    ),
}
CARD: Mapping[str, Test] = {
    "name": TEXT,
    "default_source": TEXT,
    "sources": (_texts, "a list of names"),
    "vad_scale": (_scale, "[low, high] or null"),
    "left_out": (
        lambda value: _mapping(value) and all(map(_texts, value.values())),
        "lists of files by reason",
    ),
    "same_audio": (_lists, "a list of lists of ids"),
    "data_folder": TEXT,
    "counts": (_mapping, "a mapping"),
    "arguments": (_mapping, "a mapping"),
}


def check_entry(entry: object, name: str, where: object) -> None:
    """Stop at an entry that lacks a key or whose value is of the wrong kind.

    Parameters
    ----------
    entry : object
        As read from JSON.
    name : str
        Its id.
    where : path
        The manifest, for the error.

    Raises
    ------
    SERError
    """
    missing = [key for key in ENTRY if not isinstance(entry, dict) or key not in entry]
    if missing:
        raise SERError(
            f"Bad manifest {where}: entry {name!r} lacks {', '.join(missing)}. "
            "Prepare the corpus again."
        )
    for key, (holds, expected) in ENTRY.items():
        if not holds(entry[key]):
            raise SERError(
                f"Bad manifest {where}: {key} of {name!r} is {_shown(entry[key])}; expected "
                f"{expected}. Prepare the corpus again."
            )
    start, stop = entry["start"] or 0, entry["stop"]
    if stop is not None and stop <= start:
        raise SERError(
            f"Bad manifest {where}: stop of {name!r} is {_shown(stop)}; expected more than its "
            f"start, {_shown(start)}. Prepare the corpus again."
        )


def check_card(card: Mapping, where: object, needed: Sequence[str] = ()) -> None:
    """Stop at a card with a value of the wrong kind, or without a key that is needed.

    Raises
    ------
    SERError
    """
    missing = [key for key in needed if key not in card]
    if missing:
        raise SERError(
            f"Bad corpus card {where}: it lacks {', '.join(missing)}. Prepare the corpus again."
        )
    for key, (holds, expected) in CARD.items():
        if key in card and not holds(card[key]):
            raise SERError(
                f"Bad corpus card {where}: {key} is {_shown(card[key])}; expected {expected}. "
                "Prepare the corpus again."
            )


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."

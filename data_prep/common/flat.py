"""An entry of a manifest as one flat row, the form that every format of others can hold.

Labels are columns ``SOURCE.WHAT``: ``intended.emotion``, ``consensus.valence``,
``rated_voice.votes.anger`` ... Whatever is unknown has no cell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from ser_brain.core.errors import SERError
from ser_brain.data.labels import DIMENSIONS, LABEL_SOURCES
from ser_brain.data.manifest import Manifest

FACTS = ("speaker", "gender", "language", "group", "split", "text")
FIRST = ("id", "path", "start", "stop", *FACTS)
TEXTS = ("emotion", "raw", "intensity")  # never read as numbers
VOTES = "votes."
PREDICTED = ("file", "start", "stop", "emotion")  # columns that `ser predict` begins with
TEACHER, PROBABILITY = "teacher", "p_"  # a model that answered, and its columns


def flat_rows(manifest: Manifest) -> list[dict]:
    """One row per utterance; ids, speakers and groups as the corpus names them."""
    return [flat(name, entry) for name, entry in manifest.entries.items()]


def flat(utterance_id: str, entry: Mapping) -> dict:
    """The row of an entry, with the paths, times and facts that it has."""
    prefix = f"{entry['corpus']}_"
    row = {"id": utterance_id, "path": entry["wav"]}
    row |= {key: entry[key] for key in ("start", "stop", *FACTS)}
    for key in ("id", "speaker", "group"):
        row[key] = row[key] and row[key].removeprefix(prefix)
    for source, label in entry["labels"].items():
        parts = {key: value for key, value in label.items() if key not in ("votes", "vad")}
        parts |= label.get("vad") or {}
        parts |= {f"{VOTES}{name}": n for name, n in (label.get("votes") or {}).items()}
        row |= {f"{source}.{key}": value for key, value in parts.items()}
    return {key: value for key, value in row.items() if value is not None}


def columns_of(rows: Iterable[Mapping]) -> list[str]:
    """Every column that a row has: facts first, then the labels source by source."""
    found = dict.fromkeys(column for row in rows for column in row)
    labels = [column for column in found if column not in FIRST]
    return [
        *(c for c in FIRST if c in found),
        *sorted(labels, key=lambda c: c.partition(".")[0]),
    ]


def label_columns(columns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Source -> what a column of it says (``emotion``, ``votes.anger`` ...) -> the column."""
    found: dict[str, dict[str, str]] = {}
    for column in columns:
        source, dot, what = column.partition(".")
        if dot and what and source in LABEL_SOURCES:
            found.setdefault(source, {})[what] = column
    return found


def teacher_columns(columns: Sequence[str]) -> dict[str, str]:
    """Of a table that ``ser predict`` wrote, each column that it answers in -> ours for it.

    Probabilities become votes of the source ``teacher``; {} for any other table.

    Examples
    --------
    >>> teacher_columns(["file", "start", "stop", "emotion", "p_anger", "warnings"])
    {'emotion': 'teacher.emotion', 'p_anger': 'teacher.votes.anger'}
    """
    classes = [c.removeprefix(PROBABILITY) for c in columns if c.startswith(PROBABILITY)]
    if [*columns[: 4 + len(classes)]] != [*PREDICTED, *(f"{PROBABILITY}{c}" for c in classes)]:
        return {}
    of_classes = {f"{PROBABILITY}{c}": f"{TEACHER}.{VOTES}{c}" for c in classes}
    values = {d: f"{TEACHER}.{d}" for d in DIMENSIONS if d in columns}
    return {"emotion": f"{TEACHER}.emotion", **of_classes, **values} if classes else {}


def label_of(row: Mapping[str, str], parts: Mapping[str, str]) -> dict:
    """What the cells of one source say, as :func:`ser_brain.data.labels.annotation` takes it.

    ``raw``, ``intensity``, ``votes``, ``vad`` and further facts; not the emotion, whose code
    the corpus's map translates.
    """
    cells = {what: row[column] for what, column in parts.items() if row[column] != ""}
    cells.pop("emotion", None)
    votes = {w.removeprefix(VOTES): c for w, c in cells.items() if w.startswith(VOTES)}
    label: dict = {"votes": {k: _number(c, f"{VOTES}{k}") for k, c in votes.items()}}
    label["vad"] = {d: _number(cells[d], d) for d in DIMENSIONS if d in cells}
    for what, cell in cells.items():
        if what in TEXTS:
            label[what] = cell
        elif what not in DIMENSIONS and not what.startswith(VOTES):
            label[what] = _value(cell)
    return {key: value for key, value in label.items() if value != {}}


def _number(cell: str, what: str) -> float | int:
    value = _value(cell)
    if not isinstance(value, int | float):
        raise SERError(f"Bad {what} {cell!r}; expected a number.")
    return value


def _value(cell: str) -> object:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def as_text(rows: Iterable[Mapping], columns: Sequence[str]) -> dict[int, dict[str, str]]:
    """Rows of cells of any JSON type -> numbered rows of text, blank where a cell is absent."""
    return {
        number: {column: text_of(row.get(column)) for column in columns}
        for number, row in enumerate(rows, start=1)
    }


def text_of(value: object) -> str:
    """A cell as text; a number with every digit, a NaN as nothing."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str)


def cell_of(value: object) -> object:
    """Text, a number or None; JSON for what a cell cannot hold."""
    return value if value is None or isinstance(value, str | int | float) else text_of(value)

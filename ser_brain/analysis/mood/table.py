"""Rows of a table of predictions, and what they say of valence, arousal and classes.

Axes: N pieces of speech, C classes, 2 = valence and arousal on [-1, 1].
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.core.tables import read_table
from ser_brain.data.labelling import UNIT_RANGE
from ser_brain.data.labels import prototype, rescale

PREDICTED = ("predicted_valence", "predicted_arousal")

# With two decimals, a dozen rounded probabilities still sum to one within this.
SUM_TOLERANCE = 0.06

# A linear head overshoots the scale a little; beyond this share of its width, the scale is
# probably another one.
OVERSHOOT = 0.1


@dataclass(frozen=True)
class Rows:
    """A table's rows."""

    path: Path
    cells: list[dict]  # column -> cell: text in a CSV file, any JSON type in JSON lines
    lines: list[int]  # line of each row in the file
    decimal_comma: bool  # whether 0,5 is a number: where the delimiter is no comma

    def has(self, column: str) -> bool:
        """Whether the table has a column; in JSON lines the first row decides."""
        return column in self.cells[0]

    def where(self, i: int) -> str:
        """A row as an error names it."""
        name = self.cells[i].get("id")
        return f"{self.path.name}, line {self.lines[i]}" + (f" (id {name})" if name else "")

    def take(self, kept: list[int]) -> Rows:
        """Some of the rows."""
        cells, lines = ([column[i] for i in kept] for column in (self.cells, self.lines))
        return Rows(self.path, cells, lines, self.decimal_comma)

    def numbers(self, column: str) -> np.ndarray:
        """A column of finite numbers; an error names the first cell that is not one."""
        cells = [row.get(column) for row in self.cells]
        values_N = np.array([self._number(cell) for cell in cells])
        bad = np.flatnonzero(~np.isfinite(values_N))
        if len(bad):
            found = cells[bad[0]]
            shown = "empty" if found in (None, "") else repr(found)
            raise SERError(
                f"{self.where(bad[0])}: {column} is {shown}; expected a number. Correct or "
                "remove the row."
            )
        return values_N

    def _number(self, cell: object) -> float:
        if isinstance(cell, str):
            try:
                return float(cell.replace(",", ".") if self.decimal_comma else cell)
            except ValueError:
                return math.nan
        plain = isinstance(cell, int | float) and not isinstance(cell, bool)
        return float(cell) if plain and abs(cell) <= sys.float_info.max else math.nan


def read_rows(path: str | Path) -> Rows:
    """Read a table of predictions, which must have rows."""
    table = read_table(path)
    if not table.rows:
        raise SERError(f"{path} has no rows; expected one for each piece of speech.")
    decimal_comma = table.delimiter not in (",", None)
    return Rows(Path(path), list(table.rows.values()), list(table.rows), decimal_comma)


def points(rows: Rows, va_range: Sequence[float]) -> tuple[np.ndarray, list[str]] | None:
    """Predicted valence and arousal, rescaled to [-1, 1]; None where the table has neither.

    In a predictions file of this project ``valence`` and ``arousal`` are ratings: there, only
    ``predicted_valence`` and ``predicted_arousal`` are read. The notes say what a reader should
    know of them.
    """
    low, high = va_range
    if not low < high:
        raise SERError(f"Bad --va_range {low:g} {high:g}; expected LOW below HIGH.")
    own_file = any(map(rows.has, (*PREDICTED, "log_probabilities")))
    names = PREDICTED if own_file else ("valence", "arousal")
    there = [rows.has(name) for name in names]
    if not any(there):
        return None
    if not all(there):
        raise SERError(
            f"{rows.path.name} has {names[there.index(True)]} but no "
            f"{names[there.index(False)]}; expected both."
        )
    va_N2 = np.stack([rows.numbers(name) for name in names], axis=1)
    off_N2 = np.maximum(low - va_N2, va_N2 - high)
    far = np.argwhere(off_N2 > OVERSHOOT * (high - low))
    if len(far):
        i, axis = far[0]
        raise SERError(
            f"{rows.where(i)}: {names[axis]} is {va_N2[i, axis]:g}, far outside the scale "
            f"{low:g} to {high:g}. Give the model's scale, for example --va_range 1 5."
        )
    notes = [f"Points are the model's {names[0]} and {names[1]}, scale {low:g} to {high:g}."]
    outside = int((off_N2 > 0).any(axis=1).sum())
    if outside:
        notes.append(f"Points slightly outside the scale, kept unchanged: {outside:,}.")
    return rescale(va_N2, va_range, UNIT_RANGE), notes


def probabilities(rows: Rows) -> tuple[list[str], np.ndarray] | None:
    """Canonical emotions and their probabilities, (N, C); None where the table has none."""
    key = next(filter(rows.has, ("log_probabilities", "probabilities")), None)
    table = rows if key is None else _unpacked(rows, key)
    columns = [name for name in table.cells[0] if name.startswith("p_")]
    classes = [name.removeprefix("p_") for name in columns]
    if not classes:
        return None
    probs_NC = np.stack([table.numbers(name) for name in columns], axis=1)
    if key == "log_probabilities":
        # A log above 0 is refused below; capped, it cannot overflow.
        probs_NC = np.exp(np.minimum(probs_NC, 1.0))
    sum_N = probs_NC.sum(axis=1)
    bad = np.flatnonzero((probs_NC < 0).any(axis=1) | (np.abs(sum_N - 1) > SUM_TOLERANCE))
    if len(bad):
        raise SERError(
            f"{rows.where(bad[0])}: class probabilities sum to {sum_N[bad[0]]:.3g} or one is "
            "negative; expected values from 0 to 1 that sum to 1."
        )
    return classes, probs_NC / sum_N[:, None]


def _unpacked(rows: Rows, key: str) -> Rows:
    """A column of mappings as a table with a column ``p_<class>`` for each class."""
    cells = [row.get(key) for row in rows.cells]
    for i, cell in enumerate(cells):
        if not isinstance(cell, dict) or cell.keys() != cells[0].keys():
            raise SERError(f"{rows.where(i)}: {key} has other classes than in the first row.")
    named = [
        {f"p_{name}": value for name, value in cell.items()} | {"id": row.get("id")}
        for row, cell in zip(rows.cells, cells, strict=True)
    ]
    return Rows(rows.path, named, rows.lines, rows.decimal_comma)


def prototype_points(
    classes: Sequence[str], probs_NC: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Points, and notes, from class probabilities: weighted means of the prototypes."""
    places = [prototype(name) for name in classes]
    if None in places:
        raise SERError(
            f"Class {classes[places.index(None)]!r} has no place on the circumplex, so there "
            "is no point for its probability. Add valence and arousal, or remove the class."
        )
    places_C2 = np.array([[place["valence"], place["arousal"]] for place in places])
    notes = [
        "The table has no valence and arousal: points are the places of the classes "
        f"({', '.join(classes)}) on Russell's circle, neutral at its centre, weighted by their "
        "probability. They are between those places and add nothing to the classes."
    ]
    return probs_NC @ places_C2, notes

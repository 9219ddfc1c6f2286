"""The rows of a table of predictions as they stand in the file: CSV or JSON lines."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.tables import read_table
from ser_brain.data.labels import EMOTIONS, prototype


@dataclass(frozen=True)
class Rows:
    """A table's rows.

    Attributes
    ----------
    path : Path
    cells : list of dict
        Column -> cell: text in a CSV file, any JSON type in a file of JSON lines.
    lines : list of int
        Line in the file.
    decimal_comma : bool
        Whether 0,5 is a number: where the delimiter is no comma.
    """

    path: Path
    cells: list[dict]
    lines: list[int]
    decimal_comma: bool

    def has(self, column: str) -> bool:
        """Whether the table has a column; of JSON lines the first decides."""
        return column in self.cells[0]

    def where(self, i: int) -> str:
        """A row, for an error."""
        name = self.cells[i].get("id")
        return f"{self.path.name}, line {self.lines[i]}" + (f" (id {name})" if name else "")

    def chosen(self, kept: list[int]) -> Rows:
        """Some of the rows."""
        return Rows(
            self.path,
            [self.cells[i] for i in kept],
            [self.lines[i] for i in kept],
            self.decimal_comma,
        )

    def numbers(self, column: str) -> np.ndarray:
        """A column of finite numbers.

        Raises
        ------
        SERError
            Naming the first cell that is none.
        """
        cells = [row.get(column) for row in self.cells]
        values_N = np.array([self._number(cell) for cell in cells])
        bad = np.flatnonzero(~np.isfinite(values_N))
        if len(bad):
            found = cells[bad[0]]
            said = "empty" if found in (None, "") else repr(found)
            raise SERError(
                f"{self.where(bad[0])}: {column} is {said}; expected a number. Mend the row or "
                "leave it out."
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
    """Read a table of predictions.

    Raises
    ------
    SERError
        If it has no row, or as for :func:`ser_brain.core.tables.read_table`.
    """
    table = read_table(path)
    if not table.rows:
        raise SERError(f"{path} has no row; expected one for each piece of speech.")
    decimal_comma = table.delimiter not in (",", None)
    return Rows(Path(path), list(table.rows.values()), list(table.rows), decimal_comma)


MODEL_SAYS = ("predicted_valence", "predicted_arousal", "log_probabilities")

# Rounded to two decimals, a dozen probabilities still sum to one within this.
SUM_TOLERANCE = 0.06

# A linear head overshoots the scale a little; beyond this share of its width, it is another.
OVERSHOOT = 0.1


def points(rows: Rows, va_range: Sequence[float]) -> tuple[np.ndarray, list[str]] | None:
    """Predicted valence and arousal, brought to [-1, 1].

    Parameters
    ----------
    rows : Rows
    va_range : (float, float)
        Scale of the table.

    Returns
    -------
    va_N2 : ndarray
    notes : list of str
        What a reader should know of them.
        None instead of both where the table has neither.

    Raises
    ------
    SERError
        If only one of them is there, a cell is no number or lies off the scale.
    """
    low, high = va_range
    if not low < high:
        raise SERError(f"Bad --va_range {low:g} {high:g}; expected LOW below HIGH.")
    of_model = any(map(rows.has, MODEL_SAYS))
    names = ("predicted_valence", "predicted_arousal") if of_model else ("valence", "arousal")
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
            f"{low:g} to {high:g}. Give the model's scale with --va_range, such as "
            "--va_range 1 5."
        )
    notes = [f"Points are the model's {names[0]} and {names[1]}, scale {low:g} to {high:g}."]
    outside = int((off_N2 > 0).any(axis=1).sum())
    if outside:
        notes.append(f"Points just outside the scale, kept as they are: {outside:,}.")
    return (va_N2 - low) / (high - low) * 2 - 1, notes


def probabilities(rows: Rows) -> tuple[list[str], np.ndarray] | None:
    """Class probabilities, or None where the table has none.

    Returns
    -------
    classes : list of str
        Canonical emotions.
    probs_NC : ndarray
        Rows sum to one.

    Raises
    ------
    SERError
        For an unknown class, a class that one row has and another lacks, a value outside 0
        to 1, or a sum that is not 1.
    """
    for key in ("log_probabilities", "probabilities"):
        if rows.has(key):
            classes, table = _unpacked(rows, key)
            break
    else:
        classes = [name for name in rows.cells[0] if name.startswith("p_")]
        table = rows
    if not classes:
        return None
    for name in classes:
        if name.removeprefix("p_") not in EMOTIONS:
            raise bad_value(f"class in {rows.path.name}", name.removeprefix("p_"), EMOTIONS)
    probs_NC = np.stack([table.numbers(name) for name in classes], axis=1)
    if rows.has("log_probabilities"):
        probs_NC = np.exp(np.minimum(probs_NC, 1.0))  # Above 0 is refused below; no overflow.
    sum_N = probs_NC.sum(axis=1)
    bad = np.flatnonzero((probs_NC < 0).any(axis=1) | (np.abs(sum_N - 1) > SUM_TOLERANCE))
    if len(bad):
        raise SERError(
            f"{rows.where(bad[0])}: class probabilities sum to {sum_N[bad[0]]:.3g} or one is "
            "negative; expected values from 0 to 1 that sum to 1."
        )
    return [name.removeprefix("p_") for name in classes], probs_NC / sum_N[:, None]


def _unpacked(rows: Rows, key: str) -> tuple[list[str], Rows]:
    """A column of mappings as a table with a column for each class."""
    cells = [row.get(key) for row in rows.cells]
    for i, cell in enumerate(cells):
        if not isinstance(cell, dict) or cell.keys() != cells[0].keys():
            raise SERError(
                f"{rows.where(i)}: {key} is not the same set of classes as in the first row."
            )
    named = [
        {f"p_{name}": value for name, value in cell.items()} | {"id": row.get("id")}
        for row, cell in zip(rows.cells, cells, strict=True)
    ]
    classes = [name for name in named[0] if name != "id"]
    return classes, Rows(rows.path, named, rows.lines, rows.decimal_comma)


def prototype_points(
    classes: Sequence[str], probs_NC: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Points from class probabilities: the places of the classes, weighted.

    Parameters
    ----------
    classes : sequence of str
    probs_NC : ndarray

    Returns
    -------
    va_N2 : ndarray
        Sum over the classes of probability x :func:`ser_brain.data.labels.prototype`.
    notes : list of str

    Raises
    ------
    SERError
        If a class has no place on the circumplex.

    Examples
    --------
    >>> half = np.array([[0.5, 0.5]])
    >>> prototype_points(["happiness", "neutral"], half)[0].round(2).tolist()
    [[0.5, 0.07]]
    """
    places = [prototype(name) for name in classes]
    if None in places:
        raise SERError(
            f"Class {classes[places.index(None)]!r} has no place on the circumplex, so no "
            "point can be made of probabilities. Give valence and arousal, or leave it out."
        )
    places_C2 = np.array([[place["valence"], place["arousal"]] for place in places])
    notes = [
        "The table has no valence and arousal: points are the places of the classes "
        f"({', '.join(classes)}) on Russell's circle, neutral in its middle, weighted by "
        "their probability. They lie between those places and say no more than the classes."
    ]
    return probs_NC @ places_C2, notes


def is_neutral(classes: Sequence[str], probs_NC: np.ndarray) -> np.ndarray | None:
    """Whether neutral is the most probable class; None where it is no class."""
    if "neutral" not in classes:
        return None
    return probs_NC.argmax(axis=1) == list(classes).index("neutral")

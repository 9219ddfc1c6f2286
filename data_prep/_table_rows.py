"""The cells of one row of a corpus table, as the manifest wants them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.errors import SERError, bad_value
from ser_brain.labels import DIMENSIONS

COLUMNS = {
    "path": "column of audio paths, relative to the data folder",
    "emotion": "column of emotions",
    "valence": "column of valences",
    "arousal": "column of arousals",
    "dominance": "column of dominances",
    "speaker": "column of speakers",
    "gender": "column of genders: female, male, f, m",
    "language": "column of ISO 639-3 languages",
    "group": "column of recording sessions or dyads",
    "split": "column of the corpus's official train, valid, test",
    "text": "column of what was said, or its code",
    "start": "column of starts inside the file, seconds",
    "stop": "column of ends inside the file, seconds",
}
EMPTY = {"", "na", "n/a", "nan", "none", "null", "unknown", "-"}
GENDERS = {"f": "female", "female": "female", "woman": "female", "w": "female"} | {
    "m": "male",
    "male": "male",
    "man": "male",
}
SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
} | dict.fromkeys(("valid", "validation", "val", "dev", "development"), "valid")


class Cells:
    """One row of the table, read by what a cell means.

    Parameters
    ----------
    row : mapping
        Column -> cell.
    used : mapping
        What a cell means -> its column.
    table : Path
    line : int
        Where it is, for errors.
    """

    def __init__(
        self, row: Mapping[str, str], used: Mapping[str, str], table: Path, line: int
    ) -> None:
        self.row, self.used, self.table, self.line = row, used, table, line

    def text(self, what: str) -> str | None:
        """The cell, or None where it is empty or there is no such column."""
        if what not in self.used:
            return None
        cell = self.row.get(self.used[what], "")
        return None if cell.lower() in EMPTY else cell

    def number(self, what: str) -> float | None:
        """The cell as a finite number; a decimal comma will do."""
        cell = self.text(what)
        if cell is None:
            return None
        try:
            value = float(cell.replace(",", "."))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise SERError(f"{self._cell(what)} is {cell!r}; expected a number.")
        return value

    def vad(self, scale: Sequence[float] | None) -> dict[str, float | None] | None:
        """The ratings, where the table has any.

        Raises
        ------
        SERError
            For one that is off the scale.
        """
        vad = {
            dimension: self.number(dimension)
            for dimension in DIMENSIONS
            if dimension in self.used
        }
        for dimension, value in vad.items():
            if value is not None and not scale[0] <= value <= scale[1]:
                raise SERError(
                    f"{self._cell(dimension)} is {value:g}, outside --vad_scale {scale[0]:g} "
                    f"{scale[1]:g}; is that the scale?"
                )
        return vad or None

    def gender(self) -> str | None:
        return self._one_of("gender", GENDERS)

    def split(self) -> str | None:
        return self._one_of("split", SPLITS)

    def path(self, data_folder: Path) -> str | None:
        """The audio file relative to the data folder; None if it lies outside."""
        cell = self.text("path")
        if cell is None:
            return None
        inside = os.path.relpath(data_folder / cell.replace("\\", "/"), data_folder)
        return None if inside.startswith("..") else Path(inside).as_posix()

    def lost_path(self) -> tuple[str, str]:
        """Why :meth:`path` is None, and where."""
        if (cell := self.text("path")) is None:
            return "row without a path", f"{self.table.name}:{self.line}"
        return "outside the data folder", cell

    def name(self, relative: str) -> str:
        """The utterance's name: its path without ending, and its part of the file if any."""
        name = relative.rpartition(".")[0] or relative
        part = [self.number(what) for what in ("start", "stop")]
        if part != [None, None]:
            name += "_" + "_".join("end" if at is None else f"{at:.3f}" for at in part)
        return name.replace("/", "_")

    def _one_of(self, what: str, known: Mapping[str, str]) -> str | None:
        cell = self.text(what)
        if cell is None:
            return None
        if cell.lower() not in known:
            raise bad_value(self._cell(what), cell, known)
        return known[cell.lower()]

    def _cell(self, what: str) -> str:
        return f"{self.used[what]} in line {self.line} of {self.table.name}"


def language_code(code: str | None) -> str | None:
    """The code if it is an ISO 639-3 one in form.

    Raises
    ------
    SERError
        For anything but three small letters.
    """
    if code is not None and not re.fullmatch("[a-z]{3}", code):
        raise SERError(f"Bad language {code!r}; expected an ISO 639-3 code such as eng or kor.")
    return code

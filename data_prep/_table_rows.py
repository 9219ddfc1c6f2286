"""The columns of a corpus table, and the cells of a row as the manifest wants them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from data_prep._csv import require_columns
from data_prep._table_emotions import EMPTY
from ser_brain import audio
from ser_brain.corpus_card import Problem
from ser_brain.errors import SERError
from ser_brain.labels import DIMENSIONS

COLUMNS = {
    "path": "column of audio paths, relative to the data folder",
    "emotion": "column of emotions",
    "valence": "column of valences",
    "arousal": "column of arousals",
    "dominance": "column of dominances",
    "speaker": "column of speakers",
    "gender": "column of genders: female, male, other, f, m",
    "language": "column of languages: ISO 639 codes of two or three letters",
    "group": "column of recording sessions or dyads",
    "split": "column of the corpus's official train, valid, test",
    "text": "column of what was said, or its code",
    "start": "column of starts inside the file: seconds or HH:MM:SS, ms where its name says so",
    "stop": "column of ends inside the file, written like starts",
    "duration": "column of durations, read where starts have no ends",
}
# What else a column may be called. Only names that can mean nothing else.
OTHER_NAMES = {
    "path": "file filename file_name filepath file_path wav wav_file wav_path wavfile audio "
    "audio_file audio_path audio_filepath audiofile",
    "emotion": "label emotion_label emo emo_class",
    "speaker": "speaker_id speakerid spk spk_id spkid spkr_id actor actor_id",
    "gender": "sex",
    "language": "lang",
    "group": "session session_id dyad",
    "split": "split_set partition",
    "text": "transcript transcription sentence",
    "start": "begin onset start_time starttime begin_time time_start",
    "stop": "end end_time endtime stop_time time_end",
    "duration": "dur length",
}
TIMES = ("start", "stop", "duration")
SECONDS_PER = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
}
UNIT = re.compile(rf"(.+?)(?:_in)?_({'|'.join(SECONDS_PER)})s?")
CLOCK = re.compile(r"(?:(\d+) days?,?)?\s*(?:(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?))?")
# Names that may tell the other end of a piece: unread, they would change what is heard.
LIKE_START = re.compile(r"start|begin|onset|dur|length|(^|_)(from|since|offset)(_|$)")
LIKE_END = re.compile(
    r"stop|finish|dur|length|end(_|$|time|sec|ms)|(^|_)(off|offset|to|until|len)(_|$)"
)


def used_columns(
    table: Path, columns: Sequence[str], asked: Mapping[str, str], ignored: Iterable[str]
) -> dict[str, str]:
    """What is read -> its column: those asked for, and those that are called what they are.

    Parameters
    ----------
    table : Path
        For errors.
    columns : sequence of str
    asked : mapping
        What -> column, as options name them.
    ignored : iterable of str
        Columns that are not read for their names.

    Raises
    ------
    SERError
        For a column that is not there, two that could be the same, and pieces of files with
        one end known while a column that may hold the other stands unread.
    """
    require_columns(table, columns, [*asked.values(), *ignored])
    free = [c for c in columns if c and c not in ignored]
    used = dict(asked)
    for what in COLUMNS:
        if what in asked:
            continue
        found = _called(what, free, asked.values())
        if len(found) > 1:
            raise SERError(
                f"{table} has several columns that could be the {what}: {', '.join(found)}. "
                f"Name the one to read: --{what}_column {found[0]}."
            )
        if found:
            used[what] = found[0]
    # An offset beside a duration is where a piece starts, beside an onset where it stops.
    times = {what: _plain(used[what])[0] for what in TIMES if what in used}
    for offset in (c for c in free if _plain(c)[0] == "offset" and c not in used.values()):
        if times.keys() == {"duration"}:
            used["start"] = offset
        elif times == {"start": "onset"}:
            used["stop"] = offset
    if "duration" not in asked and ("start" not in used or "stop" in used):
        used.pop("duration", None)
    _require_both_ends(table, [c for c in free if c not in used.values()], used)
    return used


def _called(what: str, columns: list[str], asked: Iterable[str]) -> list[str]:
    """The columns whose names say it, as plainly as any do."""
    if what in columns:
        return [what]
    plain = {c: _plain(c)[0] if what in TIMES else _words(c) for c in columns}
    alike = [c for c in columns if plain[c] == what]
    others = OTHER_NAMES.get(what, "").split()
    return alike or [c for c in columns if plain[c] in others and c not in asked]


def _require_both_ends(table: Path, unused: list[str], used: Mapping[str, str]) -> None:
    for known, other, option, like in (
        ("start", "stop", "--stop_column or --duration_column", LIKE_END),
        ("stop", "start", "--start_column", LIKE_START),
    ):
        if known not in used or other in used or "duration" in used:
            continue
        for column in unused:
            if like.search(_plain(column)[0]):
                raise SERError(
                    f"{table} says where utterances {known} (column {used[known]}), and "
                    f"{column!r} may say where they {other}. Name it with {option}, or pass "
                    f"over it with --ignore_columns {column}."
                )


def _words(column: str) -> str:
    """A column's name in small letters with _ between its words: ``FileName`` as file_name."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    return re.sub(r"[\W_]+", "_", parted.lower()).strip("_")


def _plain(column: str) -> tuple[str, float]:
    """The name of a column of times without its unit, and the unit in seconds."""
    match = UNIT.fullmatch(_words(column))
    return (match[1], SECONDS_PER[match[2]]) if match else (_words(column), 1.0)


class Cells:
    """One row of the table, read by what a cell means.

    Parameters
    ----------
    row : mapping
        Column -> cell.
    used : mapping
        What a cell means -> its column (:func:`used_columns`).
    table : Path
    line : int
        Where it is, for errors.
    """

    def __init__(
        self, row: Mapping[str, str], used: Mapping[str, str], table: Path, line: int
    ) -> None:
        self.row, self.used, self.table, self.line = row, used, table, line

    def code(self, what: str) -> str | None:
        """The cell as it stands, or None where it is blank or there is no such column."""
        return self.row[self.used[what]] or None if what in self.used else None

    def text(self, what: str) -> str | None:
        """The cell, or None where it says that nothing is known."""
        cell = self.code(what)
        return None if cell is None or cell.lower() in EMPTY else cell

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
            raise self._bad(what, cell, "a number")
        return value

    def seconds(self, what: str) -> float | None:
        """The cell as a time: a number, ``HH:MM:SS.s``, or the same after ``0 days``."""
        cell = self.text(what)
        if cell is None or cell.lower() == "nat":
            return None
        if (match := CLOCK.fullmatch(cell)) and any(match.groups()):
            days, hours, minutes, seconds = (
                float((part or "0").replace(",", ".")) for part in match.groups()
            )
            return round(((days * 24 + hours) * 60 + minutes) * 60 + seconds, 6)
        try:
            unit = _plain(self.used[what])[1]
            return self.number(what) if unit == 1 else round(self.number(what) * unit, 6)
        except SERError:
            raise self._bad(what, cell, "seconds or HH:MM:SS") from None

    def part(self) -> tuple[float | None, float | None]:
        """Start and stop of the utterance inside its file; None is the file's own."""
        start, stop = self.seconds("start"), self.seconds("stop")
        duration = self.seconds("duration")
        if stop is None and duration is not None:
            stop = round((start or 0.0) + duration, 6)
        return start, stop

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

    def path(self, data_folder: Path) -> str | Problem:
        """The audio file relative to the data folder; its ending need not be given."""
        cell = self.text("path")
        if cell is None:
            return Problem("row without a path", f"{self.table.name}:{self.line}")
        inside = os.path.relpath(data_folder / cell.replace("\\", "/"), data_folder)
        if inside.startswith(".."):
            return Problem("outside the data folder", cell)
        path = data_folder / inside
        if path.suffix.lower() not in audio.SUFFIXES and not path.is_file():
            endings = [e for ending in audio.SUFFIXES for e in (ending, ending.upper())]
            there = [e for e in endings if Path(f"{path}{e}").is_file()]
            if len({os.path.realpath(f"{path}{e}") for e in there}) > 1:
                return Problem(f"of several endings ({', '.join(there)})", cell)
            inside += there[0] if there else ""
        return PurePath(inside).as_posix()

    def name(self, relative: str) -> str:
        """The utterance's name: its path without ending, and its part of the file if any."""
        name = relative.rpartition(".")[0] or relative
        part = self.part()
        if part != (None, None):
            name += "_" + "_".join("end" if at is None else f"{at:.3f}" for at in part)
        return name.replace("/", "_")

    def _bad(self, what: str, cell: str, expected: str) -> SERError:
        return SERError(
            f"{self._cell(what)} is {cell!r}; expected {expected}. Mend it, or pass over the "
            f"column with --ignore_columns {self.used[what]}."
        )

    def _cell(self, what: str) -> str:
        return f"{self.used[what]} in line {self.line} of {self.table.name}"

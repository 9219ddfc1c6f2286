"""Tables that say which parts of recordings to score, and who speaks there: CSV ... or RTTM.

The columns have the names that tables of corpora have; ``data_prep`` reads them by the same
rules. RTTM is what programs write that find out who spoke when (NIST 2009, *The 2009 RT
Evaluation Plan*, appendix A).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ser_brain.core.errors import SERError, first_few, nearest
from ser_brain.core.files import require_text, write_text
from ser_brain.core.log import get_logger
from ser_brain.core.tables import FileTable, read_table
from ser_brain.data.audio import SUFFIXES, split_channel

# Other common names of a column; only names that can mean nothing else.
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
SECONDS_PER = dict.fromkeys(("s", "sec", "second"), 1.0)
SECONDS_PER |= dict.fromkeys(("ms", "msec", "millisecond"), 1e-3)
UNIT = re.compile(rf"(.+?)(?:_in)?_({'|'.join(SECONDS_PER)})s?")
CLOCK = re.compile(r"(?:(\d+) days?,?)?\s*(?:(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?))?")

COPIED = ("id", "speaker", "time")  # columns whose cells go to the rows of the predictions
RTTM = ".rttm"
SHOWN = 5
logger = get_logger(__name__)


def columns_called(what: str, columns: Sequence[str], taken: Iterable[str] = ()) -> list[str]:
    """The columns with the most explicit name for something, such as ``path`` or ``start``.

    Examples
    --------
    >>> columns_called("start", ["file", "Begin time", "onset_ms"])
    ['Begin time', 'onset_ms']
    """
    if what in columns:
        return [what]
    plain = {c: name_and_unit(c)[0] if what in TIMES else _words(c) for c in columns}
    alike = [c for c in columns if plain[c] == what]
    others = OTHER_NAMES.get(what, "").split()
    return alike or [c for c in columns if plain[c] in others and c not in taken]


def _name_it(what: str, found: list[str]) -> str:
    return f"Name the right one {what}."


def recognised_columns(
    table: Path,
    columns: Sequence[str],
    kinds: Iterable[str],
    advice: Callable[[str, list[str]], str] = _name_it,
    asked: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Find the column of each kind by its name; ``asked`` are those that are known already.

    Stop where two columns could be the same thing; ``advice`` says what to do about these.
    """
    used = dict(asked)
    for what in (each for each in kinds if each not in asked):
        found = columns_called(what, columns, asked.values())
        if len(found) > 1:
            raise SERError(
                f"{table} has several columns that could be the {what}: {', '.join(found)}. "
                f"{advice(what, found)}"
            )
        if found:
            used[what] = found[0]
    return used


def name_and_unit(column: str) -> tuple[str, float]:
    """The name of a column of times without its unit; and the unit in seconds."""
    match = UNIT.fullmatch(_words(column))
    return (match[1], SECONDS_PER[match[2]]) if match else (_words(column), 1.0)


def _words(column: str) -> str:
    """A column's name in lower case with _ between its words: file_name for ``FileName``."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    return re.sub(r"[\W_]+", "_", parted.lower()).strip("_")


def seconds_in(cell: str, unit_s: float = 1.0) -> float:
    """A time: a number of units, ``HH:MM:SS.s``, or the same after ``0 days``.

    Raises ValueError if it is none.

    Examples
    --------
    >>> seconds_in("1:02.5"), seconds_in("1500", 1e-3)
    (62.5, 1.5)
    """
    if (match := CLOCK.fullmatch(cell)) and any(match.groups()):
        days, hours, minutes, seconds = (
            float((part or "0").replace(",", ".")) for part in match.groups()
        )
        return round(((days * 24 + hours) * 60 + minutes) * 60 + seconds, 6)
    value = float(cell.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(cell)
    return value if unit_s == 1 else round(value * unit_s, 6)


@dataclass(frozen=True, order=True)
class Part:
    """A part of a recording."""

    start_s: float
    stop_s: float
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)  # see COPIED


@dataclass(frozen=True)
class SegmentTable:
    """The parts of each recording, in the order of time; and the columns that are copied."""

    parts: dict[Path, list[Part]]
    columns: list[str]

    @property
    def speakers(self) -> list[str]:
        """Everybody who speaks."""
        found = (part.facts.get("speaker") for some in self.parts.values() for part in some)
        return sorted({name for name in found if name})


def read_segments(
    path: Path,
    files: Sequence[Path] = (),
    also: Sequence[str] = (),
) -> SegmentTable:
    """Read a table of segments: CSV, JSON lines, workbook, Parquet, or RTTM by its suffix.

    Parameters
    ----------
    path : Path
        Columns for the file, the start and the stop or duration of each segment, under any of
        the names in :data:`OTHER_NAMES`; ``speaker``, ``id`` and ``time`` are optional.
    files : sequence of Path
        The recordings. A row names one by its path, its file name or that without suffix;
        rows of others are skipped, which the log says.
        Without any, rows name paths, as they are or from the folder of the table.
    also : sequence of str
        Further columns that every row must have, such as ``emotion``.

    Raises
    ------
    SERError
        If a column is missing or twice there, a time is none or a stop is not after its start,
        a row names several of the recordings, or none names one.
    """
    table = _rttm(path) if path.suffix.lower() == RTTM else read_table(path)
    used = recognised_columns(path, table.columns, ("path", *TIMES, *COPIED, *also))
    end = "duration" if "duration" in used else "stop"
    require_columns(path, table, used, ("path", "start", end, *also))
    copied = [what for what in (*COPIED, *also) if what in used]
    places = Places(path, files)
    parts: dict[Path, list[Part]] = {}
    others = 0
    for line, row in table.rows.items():
        where = f"{path.name}, line {line}"
        cells = {what: text_in(row.get(column)) for what, column in used.items()}
        file = places.of(cells["path"], where)
        if file is None:
            others += 1
            continue
        start_s = _seconds(where, used["start"], cells["start"])
        if "stop" in used:
            stop_s = _seconds(where, used["stop"], cells["stop"])
        else:
            stop_s = start_s + _seconds(where, used["duration"], cells["duration"])
        if not 0 <= start_s < stop_s:
            raise SERError(
                f"{where}: a segment from {start_s:g} s to {stop_s:g} s; expected a start of 0 "
                "or more and a later stop, both in seconds unless the column says ms."
            )
        part = Part(start_s, stop_s, {what: cells[what] for what in copied})
        parts.setdefault(file, []).append(part)
    if not parts:
        raise SERError(f"{path} has no segment{' of these recordings' if table.rows else ''}.")
    if others:
        logger.warning(f"{path}: {others:,} segments of other recordings are skipped.")
    bare = [str(file) for file in files if file not in parts]
    if bare:
        named = first_few(bare, SHOWN)
        logger.warning(f"{path} has no segment of {len(bare)} of the recordings: {named}.")
    return SegmentTable(
        {file: sorted(parts[file]) for file in sorted(parts, key=places.order)}, copied
    )


def text_in(cell: object) -> str:
    """A cell as text, whatever its type; empty for None."""
    return "" if cell is None else str(cell).strip()


def require_columns(
    path: Path, table: FileTable, used: Mapping[str, str], needed: Iterable[str]
) -> None:
    """Stop if a kind of column that is needed is not among those that are used."""
    for what in needed:
        if what not in used:
            raise SERError(
                f"{path} has no column {'file' if what == 'path' else what}; its columns are: "
                f"{', '.join(nearest(what, table.columns))}."
            )


def _seconds(where: str, column: str, cell: str) -> float:
    try:
        return seconds_in(cell, name_and_unit(column)[1])
    except ValueError:
        raise SERError(
            f"{where}: {column} is {cell!r}; expected seconds or HH:MM:SS."
        ) from None


class Places:
    """Finds the recording that a row of a table names; see :func:`read_segments`."""

    def __init__(self, table: Path, files: Sequence[Path]):
        self._table = table
        self._order = {file: n for n, file in enumerate(files)}
        self._named: dict[str, set[Path]] = {}
        for file in files:
            bare = split_channel(file)[0]
            names = {str(file), str(bare), bare.name, bare.stem}
            for name in names | {_token(str(bare)), _token(bare.stem)}:
                self._named.setdefault(name, set()).add(file)

    def of(self, name: str, where: str) -> Path | None:
        """The recording; None for one that is not among the given files.

        ``where`` names the row in errors: there is no name, or it is that of several files.
        """
        if not name:
            raise SERError(f"{where}: the name of the file is missing.")
        if not self._order:
            beside = self._table.parent / name
            tried = [Path(name), beside, *(Path(f"{beside}{suffix}") for suffix in SUFFIXES)]
            there = [path for path in tried if split_channel(path)[0].is_file()]
            return there[0] if there else tried[0]  # it is reported as missing later
        last = name.replace("\\", "/").rpartition("/")[2]
        found = next((self._named[key] for key in (name, last) if key in self._named), set())
        if len(found) > 1:
            raise SERError(
                f"{where}: {name!r} is the name of {len(found)} of the files; give its path."
            )
        return next(iter(found), None)

    def order(self, file: Path) -> int:
        """The place of a recording among the given ones; as in the table, if none are given."""
        return self._order.get(file, 0)


def _rttm(path: Path) -> FileTable:
    """Lines ``SPEAKER file channel start duration <NA> <NA> speaker ...``; others are skipped.

    The channel is not read: --channel chooses one.
    """
    lines = require_text(path, "RTTM file").splitlines()
    rows = {}
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words[:1] != ["SPEAKER"]:
            continue
        if len(words) < 8:
            raise SERError(
                f"{path}, line {number} has {len(words)} fields; expected SPEAKER file channel "
                "start duration <NA> <NA> speaker."
            )
        keys = ("file", "start", "duration", "speaker")
        rows[number] = dict(zip(keys, (words[1], words[3], words[4], words[7]), strict=True))
    return FileTable(["file", "start", "duration", "speaker"], rows, None)


def write_rttm(path: Path, parts: Mapping[Path, Sequence[Part]]) -> None:
    """Write who spoke when.

    A recording is named by its file name without suffix, or by its path where several files
    have that name.
    """
    bare = {file: split_channel(file)[0] for file in parts}
    files_named = Counter(_token(path.stem) for path in set(bare.values()))
    names = {
        file: stem if files_named[stem := _token(path.stem)] == 1 else _token(str(path))
        for file, path in bare.items()
    }
    channels = {file: {"right": 2}.get(split_channel(file)[1], 1) for file in parts}
    lines = [
        f"SPEAKER {names[file]} {channels[file]} {part.start_s:.3f} "
        f"{part.stop_s - part.start_s:.3f} <NA> <NA> {_token(part.facts['speaker'])} <NA> <NA>"
        for file, some in parts.items()
        for part in some
    ]
    write_text(path, "".join(f"{line}\n" for line in lines))


def _token(text: str) -> str:
    """Text without spaces, which separate the fields of RTTM."""
    return "_".join(text.split())

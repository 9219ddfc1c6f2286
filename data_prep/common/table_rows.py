"""The columns of a corpus table, and the cells of a row as the manifest wants them."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from data_prep.common.table_file import require_columns
from ser_brain.core.errors import SERError, bad_value
from ser_brain.data import audio
from ser_brain.data.labels import DIMENSIONS, EMOTIONS
from ser_brain.data.manifest import Problem

EMPTY = {"", "na", "n/a", "nan", "none", "null", "unknown", "-"}
NONE = "none"  # in a map: this code says nothing, keep the row without it
SHOWN = 20  # codes without a meaning that an error lists
FOLD = re.compile(r"(fold|cv|f)?[\W_]*\d+", re.IGNORECASE)
VALUES = {
    "emotion": EMOTIONS,
    "gender": ("female", "male", "other"),
    "split": ("train", "valid", "test"),
}

# Everyday words and the codes of known corpora that mean one thing only.
SYNONYMS = {
    "emotion": {
        "anger": ("angry", "ang"),
        "happiness": ("happy", "hap", "joy", "joyful"),
        "sadness": ("sad",),
        "neutral": ("neu", "neutrality"),
        "excitement": ("excited", "exc"),
        "frustration": ("frustrated", "fru"),
        "fear": ("fearful", "afraid", "scared", "fea"),
        "disgust": ("disgusted", "dis"),
        "surprise": ("surprised", "sur"),
        "boredom": ("bored",),
        "contempt": ("contemptuous",),
        "calm": ("calmness",),
    },
    "gender": {
        "female": ("f", "w", "woman"),
        "male": ("m", "man"),
        "other": ("o", "diverse", "nonbinary", "non-binary"),
    },
    "split": {
        "train": ("training",),
        "valid": ("validation", "val", "dev", "development"),
        "test": ("testing",),
    },
}
KNOWN = {
    what: {value: value for value in VALUES[what]}
    | {word: value for value, words in synonyms.items() for word in words}
    for what, synonyms in SYNONYMS.items()
}
CODED = {  # with an example of a map
    "emotion": "W=anger xx=none",
    "gender": "2=female x=none",
    "language": "English=eng",
    "split": "Test1=test fold0=none",
}

# ISO 639-1 and, after the bar, ISO 639-2/B: the code that ISO 639-3 has for the same.
LANGUAGES = dict(
    pair.split(":")
    for pair in """
    aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak
    be:bel bg:bul bi:bis bm:bam bn:ben bo:bod br:bre bs:bos ca:cat ce:che ch:cha co:cos cr:cre
    cs:ces cu:chu cv:chv cy:cym da:dan de:deu dv:div dz:dzo ee:ewe el:ell en:eng eo:epo es:spa
    et:est eu:eus fa:fas ff:ful fi:fin fj:fij fo:fao fr:fra fy:fry ga:gle gd:gla gl:glg gn:grn
    gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv ht:hat hu:hun hy:hye hz:her ia:ina id:ind
    ie:ile ig:ibo ii:iii ik:ipk io:ido is:isl it:ita iu:iku ja:jpn jv:jav ka:kat kg:kon ki:kik
    kj:kua kk:kaz kl:kal km:khm kn:kan ko:kor kr:kau ks:kas ku:kur kv:kom kw:cor ky:kir la:lat
    lb:ltz lg:lug li:lim ln:lin lo:lao lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri mk:mkd ml:mal
    mn:mon mr:mar ms:msa mt:mlt my:mya na:nau nb:nob nd:nde ne:nep ng:ndo nl:nld nn:nno no:nor
    nr:nbl nv:nav ny:nya oc:oci oj:oji om:orm or:ori os:oss pa:pan pi:pli pl:pol ps:pus pt:por
    qu:que rm:roh rn:run ro:ron ru:rus rw:kin sa:san sc:srd sd:snd se:sme sg:sag sh:hbs si:sin
    sk:slk sl:slv sm:smo sn:sna so:som sq:sqi sr:srp ss:ssw st:sot su:sun sv:swe sw:swa ta:tam
    te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl tn:tsn to:ton tr:tur ts:tso tt:tat tw:twi ty:tah
    ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie vo:vol wa:wln wo:wol xh:xho yi:yid yo:yor za:zha
    zh:zho zu:zul
    alb:sqi arm:hye baq:eus bur:mya chi:zho cze:ces dut:nld fre:fra geo:kat ger:deu gre:ell
    ice:isl mac:mkd mao:mri may:msa per:fas rum:ron slo:slk tib:bod wel:cym
    """.split()
)


def meanings_of(
    what: str, codes: Sequence[str | None], given: Mapping[str, str | None], table: Path
) -> list[str | None]:
    """What the manifest says for each code.

    Parameters
    ----------
    what : str
        ``emotion``, ``gender``, ``language`` or ``split``.
    codes : sequence of str or None
        As the table has them; None where a cell is blank.
    given : mapping
        Code -> word of the manifest, or ``none``. It goes before the everyday words, and
        before the words that say that nothing is known.
    table : Path
        For errors.

    Raises
    ------
    SERError
        For an entry that no row has or that maps to no such word, and for codes that nothing
        maps, with how to map them or to pass over the column.

    Examples
    --------
    >>> meanings_of("emotion", ["Angry", "x", None, "NA"], {"x": "none"}, Path("t.csv"))
    ['anger', None, None, None]
    >>> meanings_of("language", ["de", "en-US", "fas"], {}, Path("t.csv"))
    ['deu', 'eng', 'fas']
    """
    mapping = {str(raw): _target(what, value) for raw, value in given.items()}
    there = Counter(code for code in codes if code is not None)
    unused = [raw for raw in mapping if raw not in there]
    if unused:
        raise bad_value(f"code in --{what}_map for {table.name}", unused[0], there)
    meant = {code: _known(what, code) for code in there} | mapping
    unknown = {
        code: rows
        for code, rows in there.items()
        if meant[code] is None and code not in mapping and code.lower() not in EMPTY
    }
    if unknown:
        raise _without_meaning(what, unknown, table)
    return [None if code is None else meant[code] for code in codes]


def language_code(code: str) -> str:
    """The ISO 639-3 code of a language.

    Raises
    ------
    SERError
        For anything but a code of ISO 639 in form.

    Examples
    --------
    >>> language_code("de"), language_code("ger"), language_code("en_GB")
    ('deu', 'deu', 'eng')
    """
    known = _known("language", code)
    if known is None:
        raise SERError(f"Bad language {code!r}; expected an ISO 639-3 code such as eng or kor.")
    return known


def _known(what: str, code: str) -> str | None:
    if what != "language":
        return KNOWN[what].get(code.lower())
    code = re.split("[-_]", code.lower())[0]
    return LANGUAGES.get(code) or (code if re.fullmatch("[a-z]{3}", code) else None)


def _target(what: str, value: object) -> str | None:
    if value is None or str(value).lower() == NONE:
        return None
    if what == "language":
        return language_code(str(value))
    if value not in VALUES[what]:
        raise bad_value(f"{what} in --{what}_map", value, (*VALUES[what], NONE))
    return value


def _without_meaning(what: str, unknown: Mapping[str, int], table: Path) -> SERError:
    shown = list(unknown)[:SHOWN]
    more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
    listed = ", ".join(f"{code} ({unknown[code]} rows)" for code in shown)
    pairs = " ".join(shlex.quote(f"{code}={_guess(what, code)}") for code in shown)
    values = f"one of {', '.join(VALUES[what])}," if what in VALUES else "an ISO 639-3 code"
    ways = f", where {what.upper()} is {values} or {NONE}, or pass over the column with "
    ways += "--ignore_columns"
    if what == "split" and all(map(FOLD.fullmatch, unknown)):
        ways += " (folds are groups: name the column with --group_column too)"
    return SERError(
        f"{table} has {len(unknown)} {what} codes without a meaning: {listed}{more}. Give them "
        f"one with --{what}_map {pairs}{ways}."
    )


def _guess(what: str, code: str) -> str:
    """The value that ``Test1`` seems to mean, or the name of what to fill in."""
    return _known(what, re.sub(r"[\W\d_]+$", "", code)) or what.upper()


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

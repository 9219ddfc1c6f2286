"""Translate the cells of a label table into the terms of a manifest.

Codes (emotions, genders, languages, splits) are translated a column at a time by
:func:`meanings_of`; all other cells a row at a time by :class:`Cells`.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ser_brain.core.errors import SERError, bad_value, first_few
from ser_brain.data import audio
from ser_brain.data.labels import DIMENSIONS, EMOTION_WORDS, EMOTIONS
from ser_brain.data.manifest import Problem
from ser_brain.data.segment_tables import name_and_unit, seconds_in

EMPTY = {"", "na", "n/a", "nan", "none", "null", "unknown", "-"}
NONE = "none"  # in a map: a code without a meaning; its rows are kept
SHOWN = 20  # codes without a meaning that an error lists
FOLD = re.compile(r"(fold|cv|f)?[\W_]*\d+", re.IGNORECASE)
VALUES = {
    "emotion": EMOTIONS,
    "gender": ("female", "male", "other"),
    "split": ("train", "valid", "test"),
}

# Everyday words that can mean only one thing.
SYNONYMS = {
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
} | {"emotion": EMOTION_WORDS}
CODED = {  # what has codes -> an example of its map
    "emotion": "W=anger xx=none",
    "gender": "2=female x=none",
    "language": "English=eng",
    "split": "Test1=test fold0=none",
}

# ISO 639-1, then ISO 639-2/B -> ISO 639-3.
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
    what: str,
    codes: Sequence[str | None],
    given: Mapping[str, str | None],
    table: Path,
    own_emotions: Sequence[str] = (),
) -> list[str | None]:
    """The manifest's word for each code of a column of emotions, genders, languages or splits.

    A code is None where its cell is blank. The given map (code -> word of the manifest, or
    ``none``) takes precedence over the everyday words, and over the words for "unknown". So do
    own emotions: ``joy`` is then no code of happiness. Stop at an entry whose code no row has
    or whose word is unknown, and at codes without a meaning.

    Examples
    --------
    >>> meanings_of("emotion", ["Angry", "x", None, "NA"], {"x": "none"}, Path("t.csv"))
    ['anger', None, None, None]
    """
    own = own_emotions if what == "emotion" else ()
    mapping = {str(raw): _target(what, value, own) for raw, value in given.items()}
    there = Counter(code for code in codes if code is not None)
    unused = [raw for raw in mapping if raw not in there]
    if unused:
        raise bad_value(f"code in --{what}_map for {table.name}", unused[0], there)
    of_own = {name.lower(): name for name in own}
    meant = {code: of_own.get(code.lower()) or _known(what, code) for code in there} | mapping
    unknown = {
        code: rows
        for code, rows in there.items()
        if meant[code] is None and code not in mapping and code.lower() not in EMPTY
    }
    if unknown:
        raise _no_meaning(what, unknown, table)
    return [None if code is None else meant[code] for code in codes]


def language_code(code: str) -> str:
    """The ISO 639-3 code of a language, from any code of ISO 639: de, ger, de_AT."""
    known = _known("language", code)
    if known is None:
        raise SERError(f"Bad language {code!r}; expected an ISO 639-3 code such as eng or kor.")
    return known


def _known(what: str, code: str) -> str | None:
    if what != "language":
        return KNOWN[what].get(code.lower())
    code = re.split("[-_]", code.lower())[0]
    return LANGUAGES.get(code) or (code if re.fullmatch("[a-z]{3}", code) else None)


def _target(what: str, value: object, own: Sequence[str]) -> str | None:
    if value is None or str(value).lower() == NONE:
        return None
    if what == "language":
        return language_code(str(value))
    if value not in (*VALUES[what], *own):
        raise bad_value(f"{what} in --{what}_map", value, (*VALUES[what], *own, NONE))
    return value


def _no_meaning(what: str, unknown: Mapping[str, int], table: Path) -> SERError:
    listed = first_few([f"{code} ({rows} rows)" for code, rows in unknown.items()], SHOWN)
    shown = list(unknown)[:SHOWN]
    pairs = " ".join(shlex.quote(f"{code}={_guess(what, code)}") for code in shown)
    values = f"one of {', '.join(VALUES[what])}," if what in VALUES else "an ISO 639-3 code"
    ways = f", where {what.upper()} is {values} or {NONE}, or ignore the column with "
    ways += "--ignore_columns"
    ways += ", or declare classes of your own with --own_emotions" if what == "emotion" else ""
    if what == "split" and all(map(FOLD.fullmatch, unknown)):
        ways += " (folds are groups: name the column with --group_column too)"
    return SERError(
        f"{table} has {len(unknown)} {what} codes without a meaning: {listed}. Give them "
        f"one with --{what}_map {pairs}{ways}."
    )


def _guess(what: str, code: str) -> str:
    """The value that a code such as ``Test1`` seems to mean, or a placeholder."""
    return _known(what, re.sub(r"[\W\d_]+$", "", code)) or what.upper()


@dataclass(frozen=True)
class Cells:
    """One row of a table, read by what its cells mean."""

    row: Mapping[str, str]  # column -> cell
    used: Mapping[str, str]  # what a cell means -> its column
    table: Path
    line: int

    def code(self, what: str) -> str | None:
        """The cell, or None if it is blank or there is no such column."""
        return self.row[self.used[what]] or None if what in self.used else None

    def text(self, what: str) -> str | None:
        """The cell, or None if it is blank or means "unknown"."""
        cell = self.code(what)
        return None if cell is None or cell.lower() in EMPTY else cell

    def number(self, what: str) -> float | None:
        """The cell as a finite number; a decimal comma is accepted."""
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
        try:
            return seconds_in(cell, name_and_unit(self.used[what])[1])
        except ValueError:
            raise self._bad(what, cell, "seconds or HH:MM:SS") from None

    def part(self) -> tuple[float | None, float | None]:
        """Start and stop of the utterance in seconds; None for those of the file."""
        start, stop = self.seconds("start"), self.seconds("stop")
        duration = self.seconds("duration")
        if stop is None and duration is not None:
            stop = round((start or 0.0) + duration, 6)
        return start, stop

    def vad(self, scale: Sequence[float] | None) -> dict[str, float | None] | None:
        """The ratings, if the table has any; a SERError for one that is off the scale."""
        vad = {what: self.number(what) for what in DIMENSIONS if what in self.used}
        for dimension, value in vad.items():
            if value is not None and not scale[0] <= value <= scale[1]:
                raise SERError(
                    f"{self._cell(dimension)} is {value:g}, outside --vad_scale {scale[0]:g} "
                    f"{scale[1]:g}; is that the scale?"
                )
        return vad or None

    def path(self, data_folder: Path) -> str | Problem:
        """The audio file relative to the data folder; the cell may omit the suffix."""
        cell = self.text("path")
        if cell is None:
            return Problem("row without a path", f"{self.table.name}:{self.line}")
        inside = os.path.relpath(data_folder / cell.replace("\\", "/"), data_folder)
        if inside.startswith(".."):
            return Problem("outside the data folder", cell)
        path = data_folder / inside
        if path.suffix.lower() not in audio.SUFFIXES and not path.is_file():
            suffixes = [e for suffix in audio.SUFFIXES for e in (suffix, suffix.upper())]
            there = [e for e in suffixes if Path(f"{path}{e}").is_file()]
            if len({os.path.realpath(f"{path}{e}") for e in there}) > 1:
                return Problem(f"with several suffixes ({', '.join(there)})", cell)
            inside += there[0] if there else ""
        return PurePath(inside).as_posix()

    def name(self, relative: str) -> str:
        """The utterance's name: its path without suffix, and its part of the file if any."""
        name = relative.rpartition(".")[0] or relative
        part = self.part()
        if part != (None, None):
            name += "_" + "_".join("end" if at is None else f"{at:.3f}" for at in part)
        return name.replace("/", "_")

    def _bad(self, what: str, cell: str, expected: str) -> SERError:
        return SERError(
            f"{self._cell(what)} is {cell!r}; expected {expected}. Correct it, or ignore "
            f"the column with --ignore_columns {self.used[what]}."
        )

    def _cell(self, what: str) -> str:
        return f"{self.used[what]} in line {self.line} of {self.table.name}"

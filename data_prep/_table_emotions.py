"""From a table's codes to the manifest's words: emotions, genders, languages, splits."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.errors import SERError, bad_value
from ser_brain.labels import EMOTIONS

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

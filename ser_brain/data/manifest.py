"""Manifests: the facts that a corpus gives about each utterance, before any decision.

A manifest is ``<corpus>.json`` (id -> entry). Its card, ``<corpus>.card.json``, describes the
corpus and how the manifest was made. Standard library only.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import (
    parse_json,
    read_json,
    remove,
    require_bytes,
    sha256_of,
    write_json,
    write_text,
)
from ser_brain.core.schema import (
    ANY,
    FINITE,
    TEXT,
    Bound,
    check,
    list_of,
    mapping_of,
    nullable,
    shown,
)
from ser_brain.data.labels import DIMENSIONS, EMOTIONS

DATA_ROOT = "{data_root}/"
SHA256 = "manifest_sha256"  # in the card: of the manifest as it was written
DATA_FOLDER = "data_folder"  # in the card: where the audio was when it was prepared
PREPARE_AGAIN = "Prepare the corpus again."
TABLES = (".csv", ".tsv", ".xlsx", ".parquet", ".jsonl")  # which a user may take for manifests


@dataclass(frozen=True)
class Manifest:
    """A manifest as it was read."""

    path: Path
    card: dict  # empty where there is none
    entries: dict[str, dict]  # by id; ``wav`` is relative to the data folder
    sha256: str  # of the file

    def located(self, data_folder: str | Path) -> dict[str, dict]:
        """The entries with each ``wav`` as a path below a data folder."""
        folder = Path(data_folder)
        return {i: {**e, "wav": str(folder / e["wav"])} for i, e in self.entries.items()}

    def data_folder(self, given: str | Path | None = None) -> Path:
        """The folder of the audio: the one given, or else the one that the card notes."""
        where = given or self.card.get(DATA_FOLDER)
        if where is None:
            raise SERError(
                f"{card_path(self.path)} does not say where the audio is; give --data_folder."
            )
        if not Path(where).is_dir():
            raise SERError(
                f"No folder {where} with the audio of {self.path}; give its --data_folder."
            )
        return Path(where)


def read_manifest(path: str | Path, needed: Iterable[str] = ()) -> Manifest:
    """Read a manifest and its card, and check both.

    ``needed`` are keys that the card must have; without any, the card may be missing.
    """
    path = Path(path)
    if path.name.lower().removesuffix(".gz").endswith(TABLES):
        raise SERError(
            f"{path} is a table, not a manifest; write its manifest first: "
            "python -m data_prep table --name NAME --csv TABLE --data_folder DIR "
            "--manifest_folder DIR."
        )
    card = read_card(path, needed) if needed or card_path(path).is_file() else {}
    content = require_bytes(path, "manifest")
    sha256 = hashlib.sha256(content).hexdigest()
    require_as_written(path, card, sha256)
    found = parse_json(content, path, "manifest")
    entries = {}
    for name, entry in found.items():
        check_entry(entry, name, path, card.get("own_emotions", ()))
        try:
            entries[name] = _braces(
                {**entry, "wav": entry["wav"].removeprefix(DATA_ROOT)}, False
            )
        except RecursionError:
            raise SERError(
                f"Bad manifest {path}: {name!r} is nested too deep. {PREPARE_AGAIN}"
            ) from None
    return Manifest(path, card, entries, sha256)


def card_path(manifest: str | Path) -> Path:
    """The path of a manifest's card."""
    return Path(manifest).with_suffix(".card.json")


def read_card(manifest: str | Path, needed: Iterable[str] = ()) -> dict:
    """Read and check the card of a manifest; ``needed`` are the keys that it must have."""
    path = card_path(manifest)
    card = read_json(path, "corpus card")
    optional = CARD.keys() - set(needed)
    check(card, CARD, f"corpus card {path}", optional, others=True, advice=PREPARE_AGAIN)
    return card


def differences(counts: Mapping, expected: Mapping, where: str = "") -> Iterator[str]:
    """Where the counts differ from those of a full copy; absent label sources do not count."""
    for what, value in expected.items():
        found = counts.get(what)
        if not isinstance(value, Mapping):
            if (found or 0) != value:
                yield f"{where}{what} {found or 0} ({value})"
        elif isinstance(found, Mapping):
            inner = "" if what == "emotions" else f"{where}{what} "
            yield from differences(found, value, inner)


def require_as_written(manifest: str | Path, card: Mapping, sha256: str | None = None) -> None:
    """Stop if a manifest was damaged or edited since its card was written."""
    if SHA256 not in card or not Path(manifest).is_file():
        return
    found = sha256 or sha256_of(manifest)
    if card[SHA256] != found:
        raise SERError(
            f"{manifest} is not as it was written. If it was damaged, remove it and prepare "
            f"the corpus again. If you edited it, accept the change in {card_path(manifest)}: "
            f'"{SHA256}": "{found}".'
        )


def note_data_folder(manifest: str | Path, data_folder: str | Path) -> None:
    """Note in the card where the audio is on this machine, for commands that are not told.

    A manifest itself names no absolute path. The caller holds the manifest's lock.
    """
    if not is_noted(manifest, data_folder):
        card = {**read_card(manifest), DATA_FOLDER: str(Path(data_folder).resolve())}
        write_json(card_path(manifest), card)


def is_noted(manifest: str | Path, data_folder: str | Path) -> bool:
    """Whether the card already notes this data folder."""
    return read_card(manifest).get(DATA_FOLDER) == str(Path(data_folder).resolve())


def write_manifest(
    folder: str | Path, name: str, entries: Mapping[str, dict], card: Mapping
) -> Path:
    """Write ``<name>.json``, one utterance a line, and then ``<name>.card.json``, atomically.

    The card comes last and carries the manifest's SHA-256, so that a manifest that was left
    unfinished, or edited since, never passes for a finished one.
    """

    def text(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    path = Path(folder) / f"{name}.json"
    remove(card_path(path))
    lines = (f"{text(utterance_id)}: {text(entry)}" for utterance_id, entry in entries.items())
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")
    write_json(card_path(path), {**card, SHA256: sha256_of(path)})
    return path


def entry_of(
    utterance: Utterance, card: CorpusCard, duration_s: float, sample_rate_hz: int
) -> dict:
    """The manifest entry of an utterance, as it is written (braces doubled)."""

    def prefixed(value: str | None) -> str | None:
        return None if value is None else f"{card.name}_{value}"

    language = utterance.language
    if language is None and len(card.languages) == 1:
        language = card.languages[0]
    facts = {
        "start": utterance.start,
        "stop": utterance.stop,
        "duration": round(duration_s, 6),
        "sample_rate": sample_rate_hz,
        "corpus": card.name,
        "speaker": prefixed(utterance.speaker),
        "gender": utterance.gender,
        "language": language,
        "group": prefixed(utterance.group),
        "split": utterance.split,
        "text": utterance.text,
        "labels": utterance.labels,
    }
    return {"wav": DATA_ROOT + _braces(utterance.path, True), **_braces(facts, True)}


def _braces(value: object, write: bool) -> object:
    """Double literal braces on writing, undo it on reading: SpeechBrain formats every value.

    It does not format keys, and so leaves the ids of a manifest alone.
    """
    if isinstance(value, str):
        if write:
            return value.replace("{", "{{").replace("}", "}}")
        return value.replace("{{", "{").replace("}}", "}")
    if isinstance(value, dict):
        return {key: _braces(item, write) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_braces(item, write) for item in value]
    return value


@dataclass
class Utterance:
    """One utterance as a prep script finds it; unknown facts stay None.

    Speakers and groups are named as the corpus names them; the manifest prefixes them with it.
    """

    name: str  # the corpus's own, unique in the corpus; the id is ``<corpus>_<name>``
    path: str  # of the audio, relative to the data folder
    labels: dict[str, dict]  # by source; see :func:`ser_brain.data.labels.annotation`
    speaker: str | None = None
    gender: str | None = None  # ``female``, ``male`` or ``other``
    language: str | None = None  # ISO 639-3; None takes the card's only language
    group: str | None = None  # a recording session or dyad
    split: str | None = None  # ``train``, ``valid`` or ``test``, where there is an official one
    text: str | None = None  # the transcript, or its code, so that shared texts can be found
    start: float | None = None  # seconds inside the file, where the utterance is a part of it
    stop: float | None = None


@dataclass(frozen=True)
class Problem:
    """A file, an utterance or a rating that is excluded.

    It is ``harmless`` where no utterance of the corpus is lost (``._*`` files, stray folders,
    files that are broken in every copy): it is named and counted, but preparation goes on.
    """

    kind: str  # in a few words: ``missing``, ``unreadable``, ``stray file`` ...
    path: str  # relative to the data folder; with ``:line`` for a line of a label file
    harmless: bool = False


# How kinds of problems begin that name a thing; others are adjectives, such as ``silent``.
NOUN = re.compile(
    r"((stray|system|macOS \._|(empty|unreadable) label) file|(stray )?folder|name|row|rating|"
    r"unreadable (label line|recognition rate)|song|number)\b"
)


def counted(kind: str, count: int) -> str:
    """How many problems of a kind there are.

    Examples
    --------
    >>> counted("stray folder", 2), counted("name that is not UTF-8", 2), counted("silent", 2)
    ('2 stray folders', '2 names that are not UTF-8', '2 silent')
    """
    if count == 1:
        return f"1 {kind}"
    found = NOUN.match(kind)
    if found:
        kind = f"{found[0]}s{kind[found.end() :].replace(' that is ', ' that are ')}"
    return f"{count:,} {kind}"


@dataclass(frozen=True)
class CorpusCard:
    """Description of a corpus, written beside its manifest with counts and a fingerprint.

    A copy whose counts differ from those expected, e.g. ``{"utterances": 535, "speakers": 10,
    "emotions": {source: {emotion: count}}}``, gets a warning.
    """

    name: str
    title: str
    version: str
    licence: str
    citation: str
    languages: tuple[str, ...]
    style: str
    emotions: Mapping[str, str]  # the corpus's codes -> canonical emotions
    sources: tuple[str, ...]  # of labels; the first is the default
    layout: str  # one line that shows where its files are, for errors
    vad_scale: tuple[float, float] | None = None  # lowest and highest, in the corpus's units
    sample_rates_hz: tuple[int, ...] | None = None  # None accepts any
    expected: Mapping[str, object] = field(default_factory=dict)  # counts of a full copy
    known_bad: Mapping[str, str] = field(default_factory=dict)  # broken in every copy -> why
    synthetic: bool = False  # every report then says so
    notes: str = ""
    own_emotions: tuple[str, ...] = ()  # beyond EMOTIONS; they have no place on the circumplex
    url: str = ""  # where to get it, or whom to ask for it

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every emotion that a label may have."""
        return (*EMOTIONS, *self.own_emotions)

    def emotion(self, raw: str) -> str:
        """The canonical emotion of one of the corpus's codes; stop at an unknown code."""
        if raw not in self.emotions:
            raise bad_value(f"emotion code in {self.name}", raw, self.emotions)
        return self.emotions[raw]

    def as_dict(self) -> dict:
        """Plain JSON types, with the default source named."""
        return {**dataclasses.asdict(self), "default_source": self.sources[0]}


# What the values of an entry and of a card may be.
FACT = nullable(TEXT)
AT_LEAST_0 = Bound(lambda value: FINITE.holds(value) and value >= 0, "a number, at least 0")
RATINGS = {
    "vad": nullable(mapping_of(nullable(FINITE), DIMENSIONS)),
    "votes": nullable(mapping_of(AT_LEAST_0)),
    "recognition_rate": nullable(AT_LEAST_0),
}
TIME = nullable(Bound(lambda v: FINITE.holds(v) and v >= 0, "seconds from 0"))


@functools.cache
def _labels(vocabulary: tuple[str, ...]) -> Bound:
    def is_label(value: object) -> bool:
        return (
            isinstance(value, dict)
            and "emotion" in value
            and (value["emotion"] is None or value["emotion"] in vocabulary)
            and all(bound.holds(value.get(key)) for key, bound in RATINGS.items())
        )

    emotions = f"null or one of {', '.join(vocabulary)}"
    return mapping_of(
        Bound(is_label, f"a label: emotion {emotions}, and ratings in numbers or null")
    )


ENTRY: Mapping[str, Bound] = {
    "wav": TEXT,
    "start": TIME,
    "stop": TIME,
    "duration": Bound(lambda value: FINITE.holds(value) and value > 0, "seconds above 0"),
    "sample_rate": Bound(lambda v: type(v) is int and v > 0, "a whole number of hertz"),
    "corpus": TEXT,
    **dict.fromkeys(("speaker", "gender", "language", "group", "split", "text"), FACT),
    "labels": _labels(EMOTIONS),
}
ENTRY_KEYS = tuple(ENTRY)
CARD: Mapping[str, Bound] = {
    "name": TEXT,
    "default_source": TEXT,
    "sources": list_of(TEXT),
    "own_emotions": list_of(TEXT),
    "vad_scale": nullable(
        Bound(lambda v: list_of(FINITE, 2, 2).holds(v) and v[0] < v[1], "[low, high]")
    ),
    "left_out": mapping_of(list_of(TEXT)),
    "same_audio": list_of(list_of(TEXT)),
    "data_folder": TEXT,
    "counts": mapping_of(ANY),
    "expected": mapping_of(ANY),
    "arguments": mapping_of(ANY),
}


def check_entry(
    entry: object, name: str, manifest: str | Path, own_emotions: Iterable[str] = ()
) -> None:
    """Stop at an entry that lacks a key, or has a value of the wrong kind."""
    where = f"entry {name!r} of the manifest {manifest}"
    bounds = {**ENTRY, "labels": _labels((*EMOTIONS, *own_emotions))}
    check(entry, bounds, where, others=True, advice=PREPARE_AGAIN)
    start, stop = entry["start"] or 0, entry["stop"]
    if stop is not None and stop <= start:
        raise SERError(
            f"Bad stop in {where}: found {shown(stop)}, expected more than its start, "
            f"{shown(start)}. {PREPARE_AGAIN}"
        )

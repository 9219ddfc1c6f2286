"""Manifests: what a corpus says of each utterance. Facts, no decisions.

Standard library only. A manifest is ``<corpus>.json`` (id -> entry); its card,
``<corpus>.card.json``, says what the corpus is and how the manifest came about.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import read_json, remove, sha256_of, write_json, write_text
from ser_brain.data.labels import DIMENSIONS, EMOTIONS

SHOWN = 60  # characters of a bad value
Test = tuple[Callable[[object], bool], str]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _text_or_null(value: object) -> bool:
    return value is None or isinstance(value, str)


def _number(value: object) -> bool:
    # A comparison, because Python makes no float of a whole number beyond the largest float.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _time(value: object) -> bool:
    return value is None or (_number(value) and value >= 0)


def _emotion(value: object) -> bool:
    return value is None or value in EMOTIONS


def _vad(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and all(k in DIMENSIONS and (v is None or _number(v)) for k, v in value.items())
    )


def _label(value: object) -> bool:
    return (
        isinstance(value, dict)
        and "emotion" in value
        and _text_or_null(value["emotion"])
        and _emotion(value["emotion"])
        and _vad(value.get("vad"))
    )


def _labels(value: object) -> bool:
    return isinstance(value, dict) and all(map(_label, value.values()))


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _lists(value: object) -> bool:
    return isinstance(value, list) and all(map(_texts, value))


def _mapping(value: object) -> bool:
    return isinstance(value, dict)


def _scale(value: object) -> bool:
    return value is None or (
        isinstance(value, list)
        and len(value) == 2
        and all(map(_number, value))
        and value[0] < value[1]
    )


TEXT: Test = (_text, "text")
FACT: Test = (_text_or_null, "text or null")
TIME: Test = (_time, "seconds from 0, or null")
ENTRY: Mapping[str, Test] = {
    "wav": TEXT,
    "start": TIME,
    "stop": TIME,
    "duration": (lambda value: _number(value) and value > 0, "seconds above 0"),
    "sample_rate": (lambda value: type(value) is int and value > 0, "a whole number of hertz"),
    "corpus": TEXT,
    "speaker": FACT,
    "gender": FACT,
    "language": FACT,
    "group": FACT,
    "split": FACT,
    "text": FACT,
    "labels": (
        _labels,
        "label sources with an emotion each (null or one of "
        f"{', '.join(EMOTIONS)}), and with vad in numbers or null",
    ),
}
CARD: Mapping[str, Test] = {
    "name": TEXT,
    "default_source": TEXT,
    "sources": (_texts, "a list of names"),
    "vad_scale": (_scale, "[low, high] or null"),
    "left_out": (
        lambda value: _mapping(value) and all(map(_texts, value.values())),
        "lists of files by reason",
    ),
    "same_audio": (_lists, "a list of lists of ids"),
    "data_folder": TEXT,
    "counts": (_mapping, "a mapping"),
    "arguments": (_mapping, "a mapping"),
}


def check_entry(entry: object, name: str, where: object) -> None:
    """Stop at an entry that lacks a key or whose value is of the wrong kind.

    Parameters
    ----------
    entry : object
        As read from JSON.
    name : str
        Its id.
    where : path
        The manifest, for the error.

    Raises
    ------
    SERError
    """
    missing = [key for key in ENTRY if not isinstance(entry, dict) or key not in entry]
    if missing:
        raise SERError(
            f"Bad manifest {where}: entry {name!r} lacks {', '.join(missing)}. "
            "Prepare the corpus again."
        )
    for key, (holds, expected) in ENTRY.items():
        if not holds(entry[key]):
            raise SERError(
                f"Bad manifest {where}: {key} of {name!r} is {_shown(entry[key])}; expected "
                f"{expected}. Prepare the corpus again."
            )
    start, stop = entry["start"] or 0, entry["stop"]
    if stop is not None and stop <= start:
        raise SERError(
            f"Bad manifest {where}: stop of {name!r} is {_shown(stop)}; expected more than its "
            f"start, {_shown(start)}. Prepare the corpus again."
        )


def check_card(card: Mapping, where: object, needed: Sequence[str] = ()) -> None:
    """Stop at a card with a value of the wrong kind, or without a key that is needed.

    Raises
    ------
    SERError
    """
    missing = [key for key in needed if key not in card]
    if missing:
        raise SERError(
            f"Bad corpus card {where}: it lacks {', '.join(missing)}. Prepare the corpus again."
        )
    for key, (holds, expected) in CARD.items():
        if key in card and not holds(card[key]):
            raise SERError(
                f"Bad corpus card {where}: {key} is {_shown(card[key])}; expected {expected}. "
                "Prepare the corpus again."
            )


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."


@dataclass
class Utterance:
    """One utterance as a prep script finds it; unknown facts stay None.

    Attributes
    ----------
    name : str
        The corpus's own name of it, unique in the corpus; the id is ``<corpus>_<name>``.
    path : str
        Audio file relative to the data folder.
    labels : dict
        Label source -> annotation (see :func:`ser_brain.data.labels.annotation`).
    speaker, group : str
        As the corpus names them; prefixed with the corpus in the manifest. ``group`` is a
        recording session or dyad.
    gender : str
        ``female``, ``male`` or ``other``.
    language : str
        ISO 639-3; None takes the card's only language.
    split : str
        ``train``, ``valid`` or ``test`` where the corpus defines an official split.
    text : str
        What was said, or its code, so that text overlap can be audited.
    start, stop : float
        Seconds inside the file, where the utterance is a part of it.
    """

    name: str
    path: str
    labels: dict[str, dict]
    speaker: str | None = None
    gender: str | None = None
    language: str | None = None
    group: str | None = None
    split: str | None = None
    text: str | None = None
    start: float | None = None
    stop: float | None = None


@dataclass(frozen=True)
class Problem:
    """Something that is left out: a file, an utterance, a rating.

    Attributes
    ----------
    kind : str
        What is wrong in a few words: ``missing``, ``unreadable``, ``stray file`` ...
    path : str
        The file, relative to the data folder; with ``:line`` for a line of a label file.
    harmless : bool
        True where no utterance of the corpus is lost by leaving it out (``._*`` files, stray
        folders, files that every copy has broken): named and counted, no reason to stop.
    """

    kind: str
    path: str
    harmless: bool = False


@dataclass(frozen=True)
class CorpusCard:
    """What a corpus is. Written beside its manifest, with counts and a fingerprint.

    Attributes
    ----------
    emotions : dict
        The corpus's raw codes -> canonical emotions.
    sources : tuple of str
        The label sources it can carry; the first is the default.
    layout : str
        One line that shows where its files lie, for the error about a wrong data folder.
    vad_scale : tuple of float, optional
        Lowest and highest valence/arousal/dominance in the corpus's units.
    sample_rates_hz : tuple of int, optional
        Rates its files may have; None accepts any.
    expected : dict
        Counts of a full copy, e.g. ``{"utterances": 535, "speakers": 10}``, and where known
        ``{"emotions": {source: {emotion: count}}}``. A copy that differs is told of.
    known_bad : dict
        Utterance name -> reason, for files broken in every copy; one that is sound is kept.
    synthetic : bool
        True where no person spoke; every report then says so.
    """

    name: str
    title: str
    version: str
    licence: str
    citation: str
    languages: tuple[str, ...]
    style: str
    emotions: Mapping[str, str]
    sources: tuple[str, ...]
    layout: str
    vad_scale: tuple[float, float] | None = None
    sample_rates_hz: tuple[int, ...] | None = None
    expected: Mapping[str, object] = field(default_factory=dict)
    known_bad: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False
    notes: str = ""

    def emotion(self, raw: str) -> str:
        """The canonical emotion of one of the corpus's codes.

        Raises
        ------
        SERError
            If the card does not know the code.
        """
        if raw not in self.emotions:
            raise bad_value(f"emotion code in {self.name}", raw, self.emotions)
        return self.emotions[raw]

    def as_dict(self) -> dict:
        """Plain JSON types, with the default source named."""
        content = dataclasses.asdict(self)
        content["default_source"] = self.sources[0]
        return content


DATA_ROOT = "{data_root}/"
SHA256 = "manifest_sha256"  # in the card: of the manifest as it was written
DATA_FOLDER = "data_folder"  # in the card: where the audio lay when it was prepared
ENTRY_KEYS = tuple(ENTRY)


def _braces(value: object, write: bool) -> object:
    """Double literal braces on writing, undo on reading: SpeechBrain formats every value.

    It leaves keys, and so the ids of a manifest, alone.
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


def entry_of(
    utterance: Utterance, card: CorpusCard, duration_s: float, sample_rate_hz: int
) -> dict:
    """The manifest entry of an utterance, as written (braces doubled)."""

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


def write_manifest(
    folder: str | Path, name: str, entries: Mapping[str, dict], card: Mapping
) -> Path:
    """Write ``<name>.json``, a line per utterance, and then ``<name>.card.json``, atomically.

    The card is written last and carries the manifest's SHA-256: a manifest that was left
    half-way, or edited since, is never taken for finished.

    Returns
    -------
    Path
        The manifest.
    """
    path = Path(folder) / f"{name}.json"
    remove(card_path(path))
    lines = (
        f"{_json(utterance_id)}: {_json(entry)}" for utterance_id, entry in entries.items()
    )
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")
    write_json(card_path(path), {**card, SHA256: sha256_of(path)})
    return path


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def card_path(manifest: str | Path) -> Path:
    """Where the card of a manifest lies."""
    return Path(manifest).with_suffix(".card.json")


def read_card(manifest: str | Path, needed: Sequence[str] = ()) -> dict:
    """Read the card beside a manifest.

    Parameters
    ----------
    manifest : str or Path
    needed : sequence of str
        Keys that it must have; any other it may lack.

    Raises
    ------
    SERError
        If it is missing or damaged, or a value in it is of the wrong kind.
    """
    card = read_json(card_path(manifest), "corpus card")
    check_card(card, card_path(manifest), needed)
    return card


def require_as_written(manifest: str | Path, card: Mapping) -> None:
    """Stop if a manifest was damaged or edited since it was written.

    One whose card has no ``manifest_sha256`` is taken as it is.

    Raises
    ------
    SERError
        Saying how a change that was meant is accepted.
    """
    if SHA256 not in card or not Path(manifest).is_file():
        return
    found = sha256_of(manifest)
    if card[SHA256] != found:
        raise SERError(
            f"{manifest} is not as it was written. If it was damaged, remove it and prepare "
            f"the corpus again. If you edited it, accept that in {card_path(manifest)}: "
            f'"{SHA256}": "{found}".'
        )


def note_data_folder(manifest: str | Path, data_folder: str | Path) -> None:
    """Note in the card where the audio lies on this machine; for who alone writes to it.

    A manifest names no absolute path; the note only spares a later command the question.
    """
    if not is_noted(manifest, data_folder):
        card = {**read_card(manifest), DATA_FOLDER: str(Path(data_folder).resolve())}
        write_json(card_path(manifest), card)


def is_noted(manifest: str | Path, data_folder: str | Path) -> bool:
    """Whether the card says already that the audio lies there."""
    return read_card(manifest).get(DATA_FOLDER) == str(Path(data_folder).resolve())


def data_folder_of(manifest: str | Path, given: str | Path | None = None) -> Path:
    """Where the audio of a manifest lies: as given, or else as its card notes.

    Raises
    ------
    SERError
        If neither is a folder.
    """
    where = given or read_card(manifest).get(DATA_FOLDER)
    if where is None or not Path(where).is_dir():
        raise SERError(
            f"No folder {where} with the audio of {manifest}; say where it lies: --data_folder."
            if where
            else f"{card_path(manifest)} does not say where the audio lies; give --data_folder."
        )
    return Path(where)


def read_manifest(path: str | Path, data_folder: str | Path) -> dict[str, dict]:
    """Read a manifest with braces undone and every ``wav`` a path under ``data_folder``.

    Parameters
    ----------
    path : str or Path
        The ``.json`` manifest.
    data_folder : str or Path
        Takes the place of ``{data_root}``.

    Returns
    -------
    dict
        id -> entry, in the order of the file.

    Raises
    ------
    SERError
        If the file is no manifest, is not as its card says it was written, or an entry lacks
        a key or has a value of the wrong kind.
    """
    require_as_written(path, read_card(path) if card_path(path).is_file() else {})
    manifest = read_json(path, "manifest")
    return dict(_entries(manifest, Path(path), Path(data_folder)))


def _entries(manifest: dict, path: Path, data_folder: Path) -> Iterator[tuple[str, dict]]:
    for utterance_id, entry in manifest.items():
        check_entry(entry, utterance_id, path)
        wav = entry["wav"].removeprefix(DATA_ROOT)
        try:
            entry = _braces({**entry, "wav": wav}, False)
        except RecursionError:
            raise SERError(
                f"Bad manifest {path}: {utterance_id!r} is nested too deep. Prepare the corpus "
                "again."
            ) from None
        entry["wav"] = str(data_folder / entry["wav"])
        yield utterance_id, entry

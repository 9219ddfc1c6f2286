"""Manifests: what a corpus says of each utterance. Facts, no decisions.

Standard library only. A manifest is ``<corpus>.json`` (id -> entry); its card,
``<corpus>.card.json``, says what the corpus is and how the manifest came about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from ser_brain.corpus_card import CorpusCard, Utterance
from ser_brain.errors import SERError
from ser_brain.files import read_json, remove, sha256_of, write_json, write_text

DATA_ROOT = "{data_root}/"
DATA_FOLDER = "data_folder"  # in the card: where the audio lay when it was prepared

ENTRY_KEYS = (
    "wav",
    "start",
    "stop",
    "duration",
    "sample_rate",
    "corpus",
    "speaker",
    "gender",
    "language",
    "group",
    "split",
    "text",
    "labels",
)


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
    write_json(card_path(path), {**card, "manifest_sha256": sha256_of(path)})
    return path


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def card_path(manifest: str | Path) -> Path:
    """Where the card of a manifest lies."""
    return Path(manifest).with_suffix(".card.json")


def read_card(manifest: str | Path) -> dict:
    """Read the card beside a manifest."""
    return read_json(card_path(manifest), "corpus card")


def note_data_folder(manifest: str | Path, data_folder: str | Path) -> None:
    """Note in the card where the audio lies on this machine.

    A manifest names no absolute path; the note only spares a later command the question.
    """
    card, where = read_card(manifest), str(Path(data_folder).resolve())
    if card.get(DATA_FOLDER) != where:
        write_json(card_path(manifest), {**card, DATA_FOLDER: where})


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
        If the file is no manifest or an entry lacks a key.
    """
    manifest = read_json(path, "manifest")
    return dict(_entries(manifest, Path(path), Path(data_folder)))


def _entries(manifest: dict, path: Path, data_folder: Path) -> Iterator[tuple[str, dict]]:
    for utterance_id, entry in manifest.items():
        missing = [key for key in ENTRY_KEYS if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise SERError(
                f"Bad manifest {path}: entry {utterance_id!r} lacks {', '.join(missing)}. "
                "Prepare the corpus again."
            )
        wav = str(entry["wav"]).removeprefix(DATA_ROOT)
        entry = _braces({**entry, "wav": wav}, False)
        entry["wav"] = str(data_folder / entry["wav"])
        yield utterance_id, entry

"""Manifests: what a corpus says of each utterance. Facts, no decisions.

Standard library only. A manifest is ``<corpus>.json`` (id -> entry); its card,
``<corpus>.card.json``, says what the corpus is and how the manifest came about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ser_brain.corpus_card import CorpusCard, Utterance
from ser_brain.errors import SERError
from ser_brain.files import read_json, remove, sha256_of, write_json, write_text
from ser_brain.manifest_entries import ENTRY, check_card, check_entry

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

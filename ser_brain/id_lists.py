"""Lists of ids from anywhere, and their manifest entries. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.errors import SERError, bad_value
from ser_brain.files import read_json, read_text
from ser_brain.manifest import (
    DATA_FOLDER,
    card_path,
    data_folder_of,
    read_card,
    read_manifest,
)

NAMED = 5
COMMENT = "#"


def read_ids(source: str) -> list[str]:
    """Read a list of ids.

    Parameters
    ----------
    source : str
        A text file (an id per line; empty lines and lines that begin with ``#`` do not
        count), a manifest (all its ids), or a part of a ``splits.json``: ``splits.json:train``,
        ``:valid`` or the name of a test set.

    Returns
    -------
    list of str
        Each id once, in the order of the file.

    Raises
    ------
    SERError
        If the file cannot be read, names no id or has no such part.
    """
    path, _, part = source.rpartition(":")
    if part and path.endswith(".json") and not Path(source).exists():
        ids = _part(Path(path), part)
    elif source.endswith(".json"):
        content = read_json(source, "list of ids")
        if isinstance(content.get("tests"), dict):
            raise SERError(f"{source} holds several lists; {_expected(source, content)}")
        ids = content
    else:
        ids = _lines(Path(source))
    if not ids:
        raise SERError(f"No id in {source}.")
    if not isinstance(ids, list | dict) or not all(isinstance(i, str) for i in ids):
        raise SERError(f"Bad list of ids {source}: expected ids, each of them text.")
    return list(dict.fromkeys(ids))


def _part(path: Path, name: str) -> list[str]:
    content = read_json(path, "split")
    if not isinstance(content.get("tests"), dict):
        raise SERError(f"Bad split {path}: it has no test sets. Name a splits.json of a run.")
    parts = {"train": content.get("train"), "valid": content.get("valid"), **content["tests"]}
    if name not in parts:
        raise bad_value(f"part of {path}", name, parts)
    return parts[name] or []


def _expected(source: str, content: Mapping) -> str:
    names = ", ".join(f"{source}:{part}" for part in ("train", "valid", *content["tests"]))
    return f"expected one of: {names}."


def _lines(path: Path) -> list[str]:
    try:
        lines = read_text(path, "utf-8-sig").splitlines()
    except FileNotFoundError:
        raise SERError(f"No list of ids at {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SERError(f"Cannot read the list of ids {path}: {error}.") from error
    stripped = (line.strip() for line in lines)
    return [line for line in stripped if line and not line.startswith(COMMENT)]


def read_manifests(manifests: Sequence[Path], data_folders: Sequence[Path]) -> dict[str, dict]:
    """Read the entries of several manifests as one.

    Parameters
    ----------
    manifests : sequence of Path
    data_folders : sequence of Path
        One for each manifest, or one for all, or none: then the folder counts that each
        manifest's card notes, if it is still there.

    Returns
    -------
    dict
        id -> entry; its ``wav`` is None where no data folder is known.

    Raises
    ------
    SERError
        If a folder is missing, their number is wrong, or two manifests share an id.
    """
    if len(data_folders) not in (0, 1, len(manifests)):
        raise SERError(
            f"Found {len(data_folders)} data folders for {len(manifests)} manifests; expected "
            "one for each, in the same order, or one for all."
        )
    found: dict[str, dict] = {}
    for place, manifest in enumerate(manifests):
        folder = _noted_folder(manifest)
        if data_folders:
            folder = data_folder_of(manifest, data_folders[place % len(data_folders)])
        entries = read_manifest(manifest, folder or ".")
        twice = sorted(found.keys() & entries.keys())
        if twice:
            raise SERError(f"{manifest} repeats ids of another manifest: {_some(twice)}.")
        if folder is None:
            entries = {i: {**entry, "wav": None} for i, entry in entries.items()}
        found |= entries
    return found


def _noted_folder(manifest: Path) -> Path | None:
    """The data folder that the card notes, if it is still there."""
    if not card_path(manifest).exists():
        return None
    folder = read_card(manifest).get(DATA_FOLDER)
    return Path(folder) if folder and Path(folder).is_dir() else None


def entries_of(source: str, known: Mapping[str, dict]) -> dict[str, dict]:
    """The manifest entries of a list of ids.

    Parameters
    ----------
    source : str
        See :func:`read_ids`.
    known : mapping
        id -> entry, of all manifests.

    Raises
    ------
    SERError
        Naming the first five ids that no manifest holds, and their number.
    """
    ids = read_ids(source)
    unknown = [utterance_id for utterance_id in ids if utterance_id not in known]
    if unknown:
        like = f"; ids there look like {next(iter(known))}" if known else ""
        raise SERError(
            f"{len(unknown)} of {len(ids)} ids of {source} are in no manifest: "
            f"{_some(unknown)}{like}. Name their --manifest too."
        )
    return {utterance_id: known[utterance_id] for utterance_id in ids}


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return ", ".join(ids[:NAMED]) + more

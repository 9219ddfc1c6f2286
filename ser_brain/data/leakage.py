"""Leakage: everything that two lists of utterances share, as a table with a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.core.errors import SERError, bad_value, one_line
from ser_brain.core.files import read_json, read_text
from ser_brain.core.tables import Table, to_text
from ser_brain.data.audit import FIELDS, SHOWN, not_compared, nothing_shared, shared_facts
from ser_brain.data.manifest import (
    DATA_FOLDER,
    card_path,
    data_folder_of,
    read_card,
    read_manifest,
)
from ser_brain.data.near_duplicates import listen, same_recordings

# What may be shared -> its name in words.
KINDS = {
    "utterances": "utterances",
    "speakers": "speakers",
    "groups": "groups",
    "texts": "texts",
    "audio": "identical recordings",
    "near_duplicates": "near-duplicate recordings",
}


def compare(
    names: tuple[str, str],
    left: Mapping[str, dict],
    right: Mapping[str, dict],
    allowed: Sequence[str],
) -> dict:
    """Find what two lists share, the recordings too.

    Parameters
    ----------
    names : (str, str)
        Of the lists.
    left, right : mapping
        id -> manifest entry; ``wav`` is None where no audio is at hand.
    allowed : sequence of str
        Kinds (keys of ``KINDS``) that may be shared.

    Returns
    -------
    dict
        ``lists``; ``shared``: kind -> ``count``, ``items`` (each a value or a pair of ids) and
        ``allowed``; ``overlap``: the kinds that are shared and not allowed; ``unknown``:
        ``speakers``, ``groups``, ``texts`` and ``recordings`` -> utterances whose own is not
        known and was compared with nothing.

    Raises
    ------
    SERError
        If a recording cannot be read.
    """
    shared: dict[str, list] = dict(shared_facts(left, right))
    heard = [{i: e for i, e in rows.items() if e["wav"] is not None} for rows in (left, right)]
    recordings = [listen(rows, name) for rows, name in zip(heard, names, strict=True)]
    shared["audio"], shared["near_duplicates"] = same_recordings(*recordings)
    entries = [*left.values(), *right.values()]
    sizes = zip(names, (left, right), strict=True)
    return {
        "lists": [{"name": name, "ids": len(rows)} for name, rows in sizes],
        "shared": {
            kind: {"count": len(items), "items": items, "allowed": kind in allowed}
            for kind, items in shared.items()
        },
        "overlap": [kind for kind, items in shared.items() if items and kind not in allowed],
        "unknown": {
            kind: sum(entry[field] is None for entry in entries)
            for kind, field in {**FIELDS, "recordings": "wav"}.items()
        },
    }


def leakage_text(facts: Mapping) -> str:
    """The result of :func:`compare` for a reader: a table, examples and a verdict."""
    lists = " and ".join(f"{one['name']} ({one['ids']:,} ids)" for one in facts["lists"])
    table = Table("leakage", "", ["Shared", "Count"])
    examples = []
    for kind, found in facts["shared"].items():
        title = f"{KINDS[kind]} (allowed)" if found["allowed"] else KINDS[kind]
        table.rows.append([title, found["count"]])
        if found["count"]:
            examples += [f"{KINDS[kind]}:", *_examples(found["items"]), ""]
    return "\n".join([lists, "", to_text(table), "", *examples, *_verdict(facts)])


def _examples(items: Sequence) -> list[str]:
    """The first five, a line each; of a pair of ids both."""
    named = [i if isinstance(i, str) else " = ".join(i) for i in items[:SHOWN]]
    lines = [f"  {one_line(name)}" for name in named]
    if len(items) > SHOWN:
        lines.append(f"  and {len(items) - SHOWN:,} more")
    return lines


def _verdict(facts: Mapping) -> list[str]:
    """What was not compared, and then the verdict."""
    lines, missing = [], dict(facts["unknown"])
    unheard = missing.pop("recordings")
    if any(missing.values()):
        lines.append(not_compared(missing))
    if unheard:
        lines.append(
            f"not compared: recordings of {unheard:,} utterances; say with --data_folder where "
            "they lie"
        )
    counts = {
        kind: f"{found['count']:,} {KINDS[kind]}"
        for kind, found in facts["shared"].items()
        if found["count"]
    }
    if facts["overlap"]:
        found = ", ".join(counts[kind] for kind in facts["overlap"])
        return [*lines, f"verdict: overlap ({found})"]
    but = f" but for {', '.join(counts.values())}, which are allowed" if counts else ""
    return [*lines, f"verdict: {nothing_shared(not lines)}{but}"]


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

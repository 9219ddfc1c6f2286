"""Leakage between two lists of utterances: everything they share, with a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.core.errors import SERError, bad_value, first_few, one_line
from ser_brain.core.files import read_json, read_text
from ser_brain.core.tables import Table, to_text
from ser_brain.data.audit import FIELDS, SHOWN, not_compared, nothing_shared, shared_facts
from ser_brain.data.manifest import DATA_FOLDER, read_manifest
from ser_brain.data.near_duplicates import read_recordings, same_recordings

NAMED = 5  # ids in an error

# What may be shared -> in words.
KINDS = {
    "utterances": "utterances",
    "speakers": "speakers",
    "groups": "groups",
    "texts": "texts",
    "audio": "identical recordings",
    "near_duplicates": "near-duplicate recordings",
}


def find_leakage(
    names: tuple[str, str],
    left: Mapping[str, dict],
    right: Mapping[str, dict],
    allowed: Sequence[str],
) -> dict:
    """Find what two lists share, including recordings.

    Parameters
    ----------
    left, right : mapping
        id -> manifest entry; ``wav`` is None where the audio is not available.
    allowed : sequence of str
        Keys of ``KINDS`` that may be shared.

    Returns
    -------
    dict
        ``lists``; ``shared``: kind -> ``count``, ``items`` (each a value or a pair of ids) and
        ``allowed``; ``overlap``: kinds that are shared but not allowed; ``unknown``:
        ``speakers``, ``groups``, ``texts`` and ``recordings`` -> number of utterances that were
        not compared because theirs is unknown.
    """
    shared: dict[str, list] = dict(shared_facts(left, right))
    recordings = [
        read_recordings({i: e for i, e in rows.items() if e["wav"] is not None}, name)
        for rows, name in zip((left, right), names, strict=True)
    ]
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
    """The result of :func:`find_leakage` as a table, examples and a verdict."""
    lists = " and ".join(f"{one['name']} ({one['ids']:,} ids)" for one in facts["lists"])
    table = Table("leakage", "", ["Shared", "Count"])
    examples = []
    for kind, found in facts["shared"].items():
        title = f"{KINDS[kind]} (allowed)" if found["allowed"] else KINDS[kind]
        table.rows.append([title, found["count"]])
        if items := found["items"]:
            named = [i if isinstance(i, str) else " = ".join(i) for i in items[:SHOWN]]
            more = [f"and {len(items) - SHOWN:,} more"] if len(items) > SHOWN else []
            examples += [f"{KINDS[kind]}:", *(f"  {one_line(n)}" for n in named + more), ""]
    return "\n".join([lists, "", to_text(table), "", *examples, *_verdict(facts)])


def _verdict(facts: Mapping) -> list[str]:
    lines, missing = [], dict(facts["unknown"])
    without_audio = missing.pop("recordings")
    if any(missing.values()):
        lines.append(not_compared(missing))
    if without_audio:
        lines.append(
            f"not compared: recordings of {without_audio:,} utterances; give their folder with "
            "--data_folder"
        )
    counts = {
        kind: f"{found['count']:,} {KINDS[kind]}"
        for kind, found in facts["shared"].items()
        if found["count"]
    }
    if facts["overlap"]:
        found = ", ".join(counts[kind] for kind in facts["overlap"])
        return [*lines, f"verdict: overlap ({found})"]
    but = f" except {', '.join(counts.values())}, which are allowed" if counts else ""
    return [*lines, f"verdict: {nothing_shared(not lines)}{but}"]


def read_ids(source: str) -> list[str]:
    """Read a list of ids, each once, in the order of the file.

    ``source`` is a text file (an id per line; empty lines and lines that begin with ``#`` are
    skipped), a manifest (all its ids), or a part of a ``splits.json``: ``splits.json:train``,
    ``:valid`` or the name of a test set.
    """
    path, _, part = source.rpartition(":")
    if part and path.endswith(".json") and not Path(source).exists():
        ids = _part(Path(path), part)
    elif source.endswith(".json"):
        content = read_json(source, "list of ids")
        if isinstance(content.get("tests"), dict):
            parts = ", ".join(f"{source}:{p}" for p in ("train", "valid", *content["tests"]))
            raise SERError(f"{source} holds several lists; expected one of: {parts}.")
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
        raise SERError(f"Bad split {path}: it has no test sets; expected a run's splits.json.")
    parts = {"train": content.get("train"), "valid": content.get("valid"), **content["tests"]}
    if name not in parts:
        raise bad_value(f"part of {path}", name, parts)
    return parts[name] or []


def _lines(path: Path) -> list[str]:
    try:
        lines = read_text(path, "utf-8-sig").splitlines()
    except FileNotFoundError:
        raise SERError(f"No list of ids at {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SERError(f"Cannot read the list of ids {path}: {error}.") from error
    stripped = map(str.strip, lines)
    return [line for line in stripped if line and not line.startswith("#")]


def read_manifests(manifests: Sequence[Path], data_folders: Sequence[Path]) -> dict[str, dict]:
    """Read the entries of several manifests together: id -> entry.

    There is one data folder for each manifest, or one for all, or none: then the folder that
    each manifest's card notes is used, if it still exists; else ``wav`` is None.
    """
    if len(data_folders) not in (0, 1, len(manifests)):
        raise SERError(
            f"Found {len(data_folders)} data folders for {len(manifests)} manifests; expected "
            "one for each, in the same order, or one for all."
        )
    found: dict[str, dict] = {}
    for place, path in enumerate(manifests):
        manifest = read_manifest(path)
        noted = manifest.card.get(DATA_FOLDER)
        if data_folders or (noted and Path(noted).is_dir()):
            given = data_folders[place % len(data_folders)] if data_folders else noted
            entries = manifest.located(manifest.data_folder(given))
        else:
            entries = {i: {**entry, "wav": None} for i, entry in manifest.entries.items()}
        twice = sorted(found.keys() & entries.keys())
        if twice:
            raise SERError(
                f"{path} repeats ids of another manifest: {first_few(twice, NAMED)}."
            )
        found |= entries
    return found


def entries_of(source: str, known: Mapping[str, dict]) -> dict[str, dict]:
    """The entries, among all that are known, of a list of ids (see :func:`read_ids`)."""
    ids = read_ids(source)
    unknown = [utterance_id for utterance_id in ids if utterance_id not in known]
    if unknown:
        like = f"; ids there look like {next(iter(known))}" if known else ""
        raise SERError(
            f"{len(unknown)} of {len(ids)} ids of {source} are in no manifest: "
            f"{first_few(unknown, NAMED)}{like}. Name their --manifest too."
        )
    return {utterance_id: known[utterance_id] for utterance_id in ids}

"""Leakage: everything that two lists of utterances share, as a table with a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ser_brain.audit import SHOWN, shared_facts
from ser_brain.near_duplicates import listen, same_recordings
from ser_brain.redaction import one_line
from ser_brain.tables import Table, to_text

# What may be shared -> its name in words.
KINDS = {
    "utterances": "utterances",
    "speakers": "speakers",
    "groups": "groups",
    "texts": "texts",
    "audio": "identical recordings",
    "near_duplicates": "near-duplicate recordings",
}
# What may be unknown -> the manifest field that is null then.
FIELDS = {"speakers": "speaker", "groups": "group", "texts": "text", "recordings": "wav"}


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
            for kind, field in FIELDS.items()
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
    unknown = [f"{kind} of {count:,}" for kind, count in missing.items() if count]
    if unknown:
        lines.append(f"not compared: {', '.join(unknown)} utterances, which are not known")
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
    return [*lines, f"verdict: {'nothing known is' if lines else 'nothing is'} shared{but}"]

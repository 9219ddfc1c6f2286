"""Leakage audit: what two sets of utterances share that they should not."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data import audio
from ser_brain.data.splits import DISJOINT

logger = get_logger(__name__)
SHOWN = 5

# What may be shared, or unknown -> the manifest field that is null then.
FIELDS = {"speakers": "speaker", "groups": "group", "texts": "text"}
Hashes = dict[tuple, str]  # (file, start, stop) -> hash of its samples


def audit(
    left: Mapping[str, dict], right: Mapping[str, dict], hashes: Hashes | None = None
) -> dict:
    """Count what two sets share: utterances, speakers, groups, texts and identical audio.

    Parameters
    ----------
    left, right : mapping
        id -> manifest entry.
    hashes : dict, optional
        Of recordings that were read before; filled, so that further audits read none twice.

    Returns
    -------
    dict
        For each of ``utterances``, ``speakers``, ``groups``, ``texts`` and ``audio``: ``count``
        and the first five ``examples``; for audio an example is a pair of ids. Unknown
        speakers, groups and texts are compared with nothing; ``unknown`` says of how many
        utterances, on the left and on the right.
    """
    shared = shared_facts(left, right)
    shared["audio"] = _identical(left, right, {} if hashes is None else hashes)
    found = {
        what: {"count": len(items), "examples": items[:SHOWN]} for what, items in shared.items()
    }
    for what, field in FIELDS.items():
        found[what]["unknown"] = [
            sum(row[field] is None for row in rows.values()) for rows in (left, right)
        ]
    return found


def unknown_in(audits: Mapping[str, Mapping]) -> dict[str, int]:
    """How many utterances of all audited parts were not compared, by speaker, group or text.

    Parameters
    ----------
    audits : mapping
        Pair of parts, such as ``train-test`` -> audit.
    """
    of_part: dict[str, dict[str, int]] = {what: {} for what in FIELDS}
    for pair, result in audits.items():
        for what in FIELDS:
            found = result.get(what)
            unknown = found.get("unknown", (0, 0)) if isinstance(found, Mapping) else (0, 0)
            of_part[what] |= dict(zip(pair.split("-", 1), unknown, strict=True))
    return {what: sum(parts.values()) for what, parts in of_part.items()}


def not_compared(unknown: Mapping[str, int]) -> str:
    """What an audit cannot say, in words; empty where all is known.

    Examples
    --------
    >>> not_compared({"speakers": 64, "groups": 0, "texts": 1200})
    'not compared: speakers of 64, texts of 1,200 utterances, which are not known'
    >>> not_compared({"speakers": 0})
    ''
    """
    counts = [f"{what} of {count:,}" for what, count in unknown.items() if count]
    if not counts:
        return ""
    return f"not compared: {', '.join(counts)} utterances, which are not known"


def nothing_shared(all_known: bool) -> str:
    """The words for an audit that found nothing: no all-clear about what is unknown."""
    return "nothing is shared" if all_known else "nothing known is shared"


def shared_facts(left: Mapping[str, dict], right: Mapping[str, dict]) -> dict[str, list[str]]:
    """Every utterance, speaker, group and text that two sets share; reads no audio."""
    return {
        "utterances": sorted(left.keys() & right.keys()),
        "speakers": _shared(left, right, "speaker"),
        "groups": _shared(left, right, "group"),
        "texts": _shared(left, right, "text"),
    }


def _shared(left: Mapping[str, dict], right: Mapping[str, dict], key: str) -> list[str]:
    # A text is the same only within a language, whatever corpus it stands in: codes of two
    # corpora may coincide. Speakers, and texts of unknown language, are told by their corpus.
    both = (*left.values(), *right.values())
    unsure = {row["corpus"] for row in both if key != "text" or row.get("language") is None}

    def values(rows: Mapping[str, dict]) -> set:
        known = [row for row in rows.values() if row[key] is not None]
        return {(_within(row, unsure), row[key]) for row in known}

    return sorted({value for _, value in values(left) & values(right)})


def _within(row: Mapping, unsure: Collection[str]) -> tuple[str, str]:
    by = "corpus" if row["corpus"] in unsure else "language"
    return by, row[by]


def _identical(
    left: Mapping[str, dict], right: Mapping[str, dict], hashes: Hashes
) -> list[list[str]]:
    """Pairs of ids whose decoded samples are equal, whatever their file format.

    Only clips of equal length are read, so a clean split costs next to nothing.
    """

    def by_length(rows: Mapping[str, dict]) -> dict[tuple, list[str]]:
        found = defaultdict(list)
        for utterance_id, row in rows.items():
            found[round(row["duration"] * row["sample_rate"])].append(utterance_id)
        return found

    def hash_of(entry: Mapping) -> str:
        key = (entry["wav"], entry["start"], entry["stop"])
        if key not in hashes:
            hashes[key] = audio_hash(entry)
        return hashes[key]

    lefts, rights = by_length(left), by_length(right)
    pairs = []
    for length in sorted(lefts.keys() & rights.keys()):
        of_hash = defaultdict(list)
        for utterance_id in lefts[length]:
            of_hash[hash_of(left[utterance_id])].append(utterance_id)
        for utterance_id in rights[length]:
            for twin in of_hash.get(hash_of(right[utterance_id]), ()):
                pairs.append([twin, utterance_id])
    return pairs


def audio_hash(entry: Mapping) -> str:
    """SHA-256 of an utterance's samples as 16-bit mono PCM."""
    try:
        samples, _ = audio.read(entry["wav"], entry["start"], entry["stop"])
    except audio.AudioProblem as problem:
        raise SERError(
            f"Cannot audit {entry['wav']}: {problem}. Prepare the corpus again."
        ) from None
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    return hashlib.sha256(pcm.tobytes()).hexdigest()


def audit_parts(
    parts: Mapping[str, Mapping[str, dict]], hashes: Hashes | None = None
) -> dict[str, dict]:
    """Audit every pair of named parts; ``hashes`` as for :func:`audit`.

    Examples
    --------
    >>> audit_parts({"train": {}, "test": {}})["train-test"]["speakers"]["count"]
    0
    """
    names, hashes = list(parts), {} if hashes is None else hashes
    return {
        f"{one}-{other}": audit(parts[one], parts[other], hashes)
        for place, one in enumerate(names)
        for other in names[place + 1 :]
    }


def require_disjoint(audits: Mapping[str, dict], protocol: str) -> None:
    """Stop a run whose split shares what its protocol promises to keep apart.

    Parameters
    ----------
    audits : mapping
        Pair of parts -> audit.
    protocol : str
        ``speaker``, ``group`` and ``speaker+text`` promise test sets without the speakers,
        groups or texts of training; every protocol promises that no utterance stands in two
        parts.

    Raises
    ------
    SERError
        Naming the pair, the count and the first five examples.
    """
    fields = DISJOINT.get(protocol, ())
    for pair, result in audits.items():
        # Validation only picks the epoch: it may hold the texts that training holds.
        kept = fields[:1] if pair == "train-valid" else fields
        for what in ("utterances", *(f"{field}s" for field in kept)):
            if result[what]["count"]:
                named = ", ".join(result[what]["examples"])
                raise SERError(
                    f"The {protocol} split shares {result[what]['count']} {what} between "
                    f"{_in_words(pair)} ({named})."
                )


def log(audits: Mapping[str, dict]) -> None:
    """Say what each pair of parts shares; a warning where it is the same recording.

    What is not known of some utterances is said to be not compared.
    """
    for pair, result in audits.items():
        found = [
            f"{shared['count']} {what}" for what, shared in result.items() if shared["count"]
        ]
        if found:
            say = logger.warning if result["audio"]["count"] else logger.info
            say(f"audit: {_in_words(pair)} share {', '.join(found)}")
    unknown = not_compared(unknown_in(audits))
    if unknown:
        logger.info(f"audit: {unknown}")
    if not any(shared["count"] for result in audits.values() for shared in result.values()):
        logger.info(f"audit: {nothing_shared(not unknown)} between the parts")


def _in_words(pair: str) -> str:
    return pair.replace("-", " and ", 1)

"""Leakage audit: what two sets of utterances share that they should not."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from ser_brain import audio
from ser_brain.errors import SERError
from ser_brain.log import get_logger
from ser_brain.splits import DISJOINT

logger = get_logger(__name__)

SHOWN = 5
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
        speakers, groups and texts are shared with nobody.
    """
    shared = shared_facts(left, right)
    shared["audio"] = _identical(left, right, {} if hashes is None else hashes)
    return {
        what: {"count": len(found), "examples": found[:SHOWN]} for what, found in shared.items()
    }


def shared_facts(left: Mapping[str, dict], right: Mapping[str, dict]) -> dict[str, list[str]]:
    """Every utterance, speaker, group and text that two sets share; reads no audio."""
    return {
        "utterances": sorted(left.keys() & right.keys()),
        "speakers": _shared(left, right, "speaker"),
        "groups": _shared(left, right, "group"),
        "texts": _shared(left, right, "text"),
    }


def _shared(left: Mapping[str, dict], right: Mapping[str, dict], key: str) -> list[str]:
    # A text is the same only within a language: codes of two corpora may coincide.
    def values(rows: Mapping[str, dict]) -> set:
        return {(row["corpus"], row[key]) for row in rows.values() if row[key] is not None}

    return sorted(value for _, value in values(left) & values(right))


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
    """Say what each pair of parts shares; a warning where it is the same recording."""
    for pair, result in audits.items():
        found = [
            f"{shared['count']} {what}" for what, shared in result.items() if shared["count"]
        ]
        if found:
            say = logger.warning if result["audio"]["count"] else logger.info
            say(f"audit: {_in_words(pair)} share {', '.join(found)}")
    if not any(shared["count"] for result in audits.values() for shared in result.values()):
        logger.info("audit: no part shares a speaker, group, text or recording with another")


def _in_words(pair: str) -> str:
    return pair.replace("-", " and ", 1)

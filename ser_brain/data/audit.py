"""Audit of a split: what two sets of utterances share that they should not."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data import audio
from ser_brain.data.splits import DISJOINT

logger = get_logger(__name__)
T = TypeVar("T")
Hashes = dict[tuple, str]  # (file, start, stop) -> hash of its samples
SHOWN = 5

# What may be shared -> its field in a manifest, where null means unknown.
FIELDS = {"speakers": "speaker", "groups": "group", "texts": "text"}


def audit(
    left: Mapping[str, dict], right: Mapping[str, dict], hashes: Hashes | None = None
) -> dict:
    """Count what two sets (id -> manifest entry) share.

    Parameters
    ----------
    hashes : dict, optional
        Of recordings that were read before. It is filled, so that further audits need not read
        them again.

    Returns
    -------
    dict
        For each of ``utterances``, ``speakers``, ``groups``, ``texts`` and ``audio``: ``count``
        and the first five ``examples``; for audio an example is a pair of ids. Utterances whose
        speaker, group or text is unknown are not compared; ``unknown`` has their numbers, left
        and right.
    """
    shared = shared_facts(left, right)
    shared["audio"] = same_samples(left, right, {} if hashes is None else hashes)
    found = {
        what: {"count": len(items), "examples": items[:SHOWN]} for what, items in shared.items()
    }
    for what, field in FIELDS.items():
        found[what]["unknown"] = [
            sum(row[field] is None for row in rows.values()) for rows in (left, right)
        ]
    return found


def unknown_in(audits: Mapping[str, Mapping]) -> dict[str, int]:
    """How many utterances were not compared, in all audits of pairs of parts."""
    of_part: dict[str, dict[str, int]] = {what: {} for what in FIELDS}
    for pair, result in audits.items():
        for what in FIELDS:
            found = result.get(what)
            unknown = found.get("unknown", (0, 0)) if isinstance(found, Mapping) else (0, 0)
            of_part[what] |= dict(zip(pair.split("-", 1), unknown, strict=True))
    return {what: sum(parts.values()) for what, parts in of_part.items()}


def not_compared(unknown: Mapping[str, int]) -> str:
    """What was not compared, in words; empty where everything is known."""
    counts = [f"{what} of {count:,}" for what, count in unknown.items() if count]
    if not counts:
        return ""
    return f"not compared: {', '.join(counts)} utterances, which are unknown"


def nothing_shared(all_known: bool) -> str:
    """The words for an audit that found nothing, which proves nothing about the unknown."""
    return "nothing is shared" if all_known else "nothing known is shared"


def shared_facts(left: Mapping[str, dict], right: Mapping[str, dict]) -> dict[str, list[str]]:
    """Every utterance, speaker, group and text that two sets share, without reading audio."""
    utterances = {"utterances": sorted(left.keys() & right.keys())}
    return utterances | {what: _shared(left, right, key) for what, key in FIELDS.items()}


def _shared(left: Mapping[str, dict], right: Mapping[str, dict], key: str) -> list[str]:
    # Equal texts are the same text only within one language, in whatever corpus. Speakers and
    # groups, and texts of unknown language, are the same only within one corpus: codes of two
    # corpora may coincide.
    both = (*left.values(), *right.values())
    unsure = {row["corpus"] for row in both if key != "text" or row.get("language") is None}

    def values(rows: Mapping[str, dict]) -> set:
        known = [row for row in rows.values() if row[key] is not None]
        within = ["corpus" if row["corpus"] in unsure else "language" for row in known]
        return {(by, row[by], row[key]) for by, row in zip(within, known, strict=True)}

    return sorted({value for *_, value in values(left) & values(right)})


def same_samples(
    left: Mapping[str, dict], right: Mapping[str, dict], hashes: Hashes
) -> list[list[str]]:
    """Pairs of ids whose decoded samples are equal, whatever their file format.

    Only clips of equal length are read, so that a clean split costs next to nothing.
    """

    def length(row: Mapping) -> int:
        return round(row["duration"] * row["sample_rate"])

    def hash_of(row: Mapping) -> str:
        key = (row["wav"], row["start"], row["stop"])
        if key not in hashes:
            hashes[key] = audio_hash(row)
        return hashes[key]

    lengths = set(map(length, left.values())) & set(map(length, right.values()))
    twins = defaultdict(list)
    for utterance_id, row in left.items():
        if length(row) in lengths:
            twins[length(row), hash_of(row)].append(utterance_id)
    return [
        [twin, utterance_id]
        for utterance_id, row in sorted(right.items(), key=lambda item: length(item[1]))
        if length(row) in lengths
        for twin in twins.get((length(row), hash_of(row)), ())
    ]


def audio_hash(entry: Mapping) -> str:
    """SHA-256 of an utterance's samples as 16-bit mono PCM."""
    try:
        samples, _ = audio.read(entry["wav"], entry["start"], entry["stop"])
    except audio.AudioProblem as problem:
        raise SERError(
            f"Cannot audit {entry['wav']}: {problem}. Prepare the corpus again."
        ) from None
    return samples_hash(samples)


def samples_hash(samples: np.ndarray) -> str:
    """SHA-256 of mono samples (S,), of full scale 1, as 16-bit PCM; more bits do not count."""
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    return hashlib.sha256(pcm.tobytes()).hexdigest()


def keys_by_value(values: Mapping[T, Hashable]) -> list[list[T]]:
    """Groups of keys with equal values; a key whose value no other has is in no group."""
    found: dict[Hashable, list[T]] = {}
    for key, value in values.items():
        found.setdefault(value, []).append(key)
    return [keys for keys in found.values() if len(keys) > 1]


def audit_parts(
    parts: Mapping[str, Mapping[str, dict]], hashes: Hashes | None = None
) -> dict[str, dict]:
    """Audit every pair of named parts: ``train-test`` -> audit."""
    hashes = {} if hashes is None else hashes
    return {
        f"{one}-{other}": audit(parts[one], parts[other], hashes)
        for one, other in itertools.combinations(parts, 2)
    }


def require_disjoint(audits: Mapping[str, dict], protocol: str) -> None:
    """Stop if the parts of a split share what its protocol keeps apart.

    Every protocol keeps utterances apart; ``speaker``, ``group`` and ``speaker+text`` keep the
    speakers, groups or texts of the test sets out of training.
    """
    fields = DISJOINT.get(protocol, ())
    for pair, result in audits.items():
        # Validation only chooses the epoch, so it may share texts with training.
        kept = fields[:1] if pair == "train-valid" else fields
        for what in ("utterances", *(f"{field}s" for field in kept)):
            if result[what]["count"]:
                named = ", ".join(result[what]["examples"])
                raise SERError(
                    f"The {protocol} split shares {result[what]['count']} {what} between "
                    f"{_in_words(pair)} ({named})."
                )


def log(audits: Mapping[str, dict]) -> None:
    """Log what each pair of parts shares, as a warning if it is a recording."""
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

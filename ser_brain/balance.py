"""Class-balanced test sets: as many utterances of each class as the smallest class has.

Study 1 (López i Ríos 2024, section 4.3) tests so, that no class outweighs another in accuracy.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from ser_brain.errors import SERError


def balanced_ids(rows: Mapping[str, dict], emotions: Sequence[str], seed: int) -> list[str]:
    """Draw equally many ids of each class.

    Ids are ranked by the SHA-256 of seed and id: the same draw on every machine and release.

    Parameters
    ----------
    rows : mapping
        id -> row with ``emotion``; utterances of none of the classes are never drawn.
    emotions : sequence of str
        The classes.
    seed : int

    Returns
    -------
    list of str
        In the order of ``rows``.

    Raises
    ------
    SERError
        If a class has no utterance.

    Examples
    --------
    >>> rows = {"a": {"emotion": "anger"}, "b": {"emotion": "calm"}, "c": {"emotion": "calm"}}
    >>> [balanced_ids(rows, ["anger", "calm"], seed) for seed in (1, 3)]
    [['a', 'c'], ['a', 'b']]
    """
    counts = Counter(row["emotion"] for row in rows.values())
    absent = [emotion for emotion in emotions if not counts[emotion]]
    if absent:
        raise SERError(
            f"Cannot balance the classes: no utterance is labelled {', '.join(absent)}. "
            "Name the classes that are there, or test on all utterances."
        )
    size = min(counts[emotion] for emotion in emotions)
    drawn: set[str] = set()
    for emotion in emotions:
        members = [i for i, row in rows.items() if row["emotion"] == emotion]
        drawn.update(sorted(members, key=lambda i: _rank(seed, i))[:size])
    return [i for i in rows if i in drawn]


def _rank(seed: int, utterance_id: str) -> str:
    return hashlib.sha256(f"{seed} {utterance_id}".encode()).hexdigest()

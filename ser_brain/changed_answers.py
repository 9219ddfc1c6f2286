"""Changed answers: what a second model says otherwise than a first one, for better or worse."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ser_brain.pairing import Pair

LOST, WON = "right to wrong", "wrong to right"
STILL_WRONG, UNLABELLED = "wrong to another wrong", "changed, no label"
KINDS = (LOST, WON, STILL_WRONG, UNLABELLED)


def changed_answers(pair: Pair) -> dict:
    """List the utterances that the second model answers otherwise than the first.

    Returns
    -------
    dict
        ``same`` (how many answers are), ``counts`` (kind of change -> how many) and
        ``changed``: id, speaker, true emotion, both answers and the kind of change, in the
        order of the test set.
    """
    true_N = pair.one.true_N
    one_N, other_N = pair.one.predicted_N, pair.other.predicted_N
    changed = []
    for n in np.flatnonzero(one_N != other_N):
        row = pair.one.rows[n]
        changed.append(
            {
                "id": pair.one.ids[n],
                "speaker": row.get("speaker"),
                "emotion": row["emotion"],
                "a": pair.one.emotions[one_N[n]],
                "b": pair.one.emotions[other_N[n]],
                "change": _change(true_N[n], one_N[n], other_N[n]),
            }
        )
    counts = Counter(line["change"] for line in changed)
    return {
        "same": len(true_N) - len(changed),
        "counts": {kind: counts[kind] for kind in KINDS},
        "changed": changed,
    }


def _change(true: int, one: int, other: int) -> str:
    if true < 0:
        return UNLABELLED
    if one == true:
        return LOST
    return WON if other == true else STILL_WRONG

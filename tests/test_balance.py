from collections import Counter

import pytest

from ser_brain.balance import balanced_ids
from ser_brain.errors import SERError

SIZES = {"anger": 9, "sadness": 4, "fear": 20}


def rows():
    return {
        f"{emotion}_{number}": {"emotion": emotion}
        for emotion, size in SIZES.items()
        for number in range(size)
    }


def test_as_many_of_each_class_as_the_smallest_has():
    drawn = balanced_ids(rows(), ["anger", "sadness"], seed=1)
    assert Counter(i.split("_")[0] for i in drawn) == {"anger": 4, "sadness": 4}
    assert drawn == [i for i in rows() if i in drawn]


def test_the_seed_decides_and_the_order_of_the_rows_does_not():
    turned = dict(reversed(rows().items()))
    draws = [frozenset(balanced_ids(rows(), ["anger", "sadness"], seed)) for seed in range(9)]
    assert len(set(draws)) > 3
    assert draws[3] == frozenset(balanced_ids(turned, ["sadness", "anger"], seed=3))


def test_every_utterance_is_drawn_as_often_as_any_other():
    counts = Counter(
        i for seed in range(900) for i in balanced_ids(rows(), ["anger", "sadness"], seed)
    )
    expected = 900 * 4 / 9
    found = [counts[f"anger_{number}"] for number in range(9)]
    assert sum(found) == 3600
    assert max(abs(count - expected) for count in found) < 4 * (expected * 5 / 9) ** 0.5


def test_a_class_without_utterances():
    with pytest.raises(SERError, match="Cannot balance the classes: .* labelled calm"):
        balanced_ids(rows(), ["anger", "calm"], seed=1)

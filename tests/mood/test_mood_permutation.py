import itertools

import numpy as np
import pytest

from ser_brain.mood.permutation import outcomes_of, permute, splits_of


def test_p_is_the_share_of_splits_that_differ_as_much():
    """Against every split by hand, four days and three."""
    values_D4 = np.random.default_rng(0).normal(size=(7, 4))
    a, b = outcomes_of(values_D4[:4]), outcomes_of(values_D4[4:])
    p_K, differences_SK = permute(a, b, None)
    observed, by_hand = [], []
    for chosen in itertools.combinations(range(7), 4):
        others = [d for d in range(7) if d not in chosen]
        apart_4 = values_D4[list(chosen)].mean(0) - values_D4[others].mean(0)
        sizes = [np.hypot(*apart_4[:2]), abs(apart_4[2]), abs(apart_4[3])]
        by_hand.append(sizes)
        if chosen == (0, 1, 2, 3):
            observed = sizes
    expected = (np.array(by_hand) >= np.array(observed) - 1e-12).mean(axis=0)
    assert p_K == pytest.approx(expected)
    assert np.sort(differences_SK, axis=0) == pytest.approx(np.sort(by_hand, axis=0))


def test_the_smallest_p_is_reached_where_no_day_overlaps():
    for units in ((3, 3), (4, 3), (8, 8)):
        a, b = np.zeros((units[0], 1)), np.ones((units[1], 1))
        p_K, _ = permute(a + np.arange(units[0])[:, None] / 100, b, np.random.default_rng(0))
        assert p_K[0] == pytest.approx(splits_of(*units)[2])


def test_many_days_are_drawn_not_enumerated():
    a, b = np.zeros((20, 1)), np.ones((20, 1))
    p_K, differences_SK = permute(a, b, np.random.default_rng(0))
    assert splits_of(20, 20) == (9_999, False, 1e-4)
    assert p_K[0] == pytest.approx(1e-4)
    assert len(differences_SK) == 9_999

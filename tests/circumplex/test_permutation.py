import numpy as np
import pytest

from ser_brain.circumplex.permutation import name_orders, p_value, permuted_labels
from ser_brain.circumplex.polar import circular_correlation, order_violations


def test_labels_stay_with_their_speaker():
    rng = np.random.default_rng(0)
    emotion_U = np.array([0, 1, 2, 0, 0, 1, 3, 3])
    speakers = ["a", "a", "a", "b", "b", "b", "c", "c"]
    found = permuted_labels(emotion_U, speakers, 500, rng)
    for group in (slice(0, 3), slice(3, 6), slice(6, 8)):
        expected = np.sort(emotion_U[group])
        np.testing.assert_array_equal(
            np.sort(found[:, group], axis=1), np.tile(expected, (500, 1))
        )
    orders = {tuple(row) for row in found[:, :3]}
    assert len(orders) == 6


@pytest.mark.parametrize("speakers", [["a", "a", "b", "b"], [None] * 4])
def test_labels_of_all_where_no_speaker_has_two(speakers):
    found = permuted_labels(np.array([0, 0, 1, 1]), speakers, 200, np.random.default_rng(0))
    assert len({tuple(row) for row in found}) == 6


def test_names_in_every_order_the_given_one_first():
    orders = name_orders(4, np.random.default_rng(0))
    assert orders.shape == (24, 4)
    assert orders[0].tolist() == [0, 1, 2, 3]
    assert len({tuple(order) for order in orders}) == 24


def test_orders_of_many_names_are_drawn():
    orders = name_orders(9, np.random.default_rng(0))
    assert orders.shape == (5000, 9)
    assert orders[0].tolist() == list(range(9))
    assert (np.sort(orders, axis=1) == np.arange(9)).all()


def test_p_values_by_hand():
    null = np.array([1.0, 2.0, 3.0, 3.0, np.nan])
    assert p_value(3.0, null, exact=True) == 2 / 4
    assert p_value(3.0, null, exact=False) == 3 / 5
    assert p_value(9.0, null, exact=False) == 1 / 5
    assert p_value(np.nan, null, exact=True) is None
    assert p_value(1.0, np.array([np.nan]), exact=True) is None


def test_study_2_table_1_as_the_documentation_has_it():
    """Sad, disgust, fear, happy, anger, boredom on Emo-DB; every naming of six centroids."""
    found = np.array([51.65, 67.37, 172.78, 183.12, 185.23, 353.36])
    russell = np.array([207.5, 150.0, 116.0, 7.8, 99.0, 242.0])
    named = found[name_orders(6, np.random.default_rng(0))]
    fewer = -np.array([order_violations(angles, russell) for angles in named])
    assert p_value(fewer[0], fewer, exact=True) == pytest.approx(7 / 60)
    correlation = np.abs(circular_correlation(named, russell))
    assert correlation[0] == pytest.approx(0.663, abs=0.001)
    assert p_value(correlation[0], correlation, exact=True) == pytest.approx(0.0375, abs=1e-4)

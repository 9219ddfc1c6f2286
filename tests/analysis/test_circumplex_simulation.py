"""The tests of the circumplex keep their promise; docs/circumplex.md has the large run."""

import pytest

from tests.analysis.planted import FIVE, SEVEN
from tests.analysis.simulation import coverage, rejection_rates, sign_flip_rate

REPEATS = 60
MOST = 8 / REPEATS  # at 5 %, more than 8 of 60 happen once in a hundred times


def test_false_positives_where_the_space_holds_no_emotion():
    rates = rejection_rates(REPEATS, FIVE, radius=0)
    assert all(rate <= MOST for rate in rates.values()), rates


def test_false_positives_of_names_where_clusters_are_in_random_order():
    rates = rejection_rates(REPEATS, FIVE, radius=2.0, shuffled=True)
    assert all(rate <= MOST for name, rate in rates.items() if name.endswith("names")), rates


def test_power_where_the_circle_is_there():
    rates = rejection_rates(20, SEVEN, radius=1.0)
    assert all(rate >= 0.95 for rate in rates.values()), rates


@pytest.mark.parametrize("folds", [1, 5])
def test_coverage_of_the_intervals_of_distances(folds):
    held = coverage(REPEATS, folds)
    assert held["mirrored"] >= 0.85, held
    assert held["percentile"] < held["mirrored"], held


def test_sign_flips_keep_5_percent_and_find_a_difference():
    assert sign_flip_rate(200, 0.0) <= 0.09
    assert sign_flip_rate(50, 0.1) >= 0.7

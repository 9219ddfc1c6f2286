"""The tests of the analyses keep their promise; docs/measurements.md has the large runs."""

import numpy as np
import pytest

from ser_brain.analysis.mood.analysis import analyse
from ser_brain.analysis.mood.description import span
from ser_brain.analysis.mood.simulation import SPANS, planted, simulate
from ser_brain.analysis.mood.timeline import read_timeline
from ser_brain.core.files import write_text
from ser_brain.core.tables import to_csv
from tests.analysis import error_rates
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


def twenty_persons(path, changed):
    """The facts of their tests, and the outcomes that are significant."""
    facts = []
    for seed in range(20):
        table = simulate(seed, changed)
        assert len({row[0][:10] for row in table.rows}) == 13  # of 14 days
        write_text(path, to_csv(table))
        mood = analyse(read_timeline(path), "week", tuple(map(span, SPANS)))
        facts.append(mood.change.facts)
    outcomes = [one["outcomes"].items() for one in facts]
    return facts, [{name for name, o in of if o["p_adjusted"] <= 0.05} for of in outcomes]


def test_what_was_planted_is_found_on_average(tmp_path):
    """Twenty persons: the mean estimate is the planted change, within three standard errors."""
    facts, significant = twenty_persons(tmp_path / "s.csv", changed=True)
    for name in ("valence", "arousal", "range"):
        estimates = [one["measures"][name]["difference"]["value"] for one in facts]
        error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
        assert np.mean(estimates) == pytest.approx(planted()[name], abs=3 * error)
        assert error < 0.02
    assert sum("centroid" in names for names in significant) >= 12
    assert sum("range" in names for names in significant) <= 3


def test_nothing_is_found_where_nothing_was_planted(tmp_path):
    _, significant = twenty_persons(tmp_path / "s.csv", changed=False)
    assert sum(map(bool, significant)) <= 4


def test_days_that_are_alike_are_called_changed_in_one_of_twenty():
    rates = error_rates.rejection_rates(5, repetitions=600)
    assert 0.03 <= rates["any"] <= 0.07
    assert rates["centroid"] < rates["any"]


def test_a_large_change_is_found_and_a_small_one_is_not():
    assert error_rates.rejection_rates(7, shift=3.0, repetitions=100)["centroid"] > 0.9
    assert error_rates.rejection_rates(7, shift=0.2, repetitions=100)["centroid"] < 0.2
    assert error_rates.rejection_rates(2, shift=9.0, repetitions=20) == {
        "centroid": 0.0,
        "any": 0.0,
    }


def test_days_that_resemble_their_neighbours_are_called_changed_too_often():
    """docs/mood.md: .508 of 2,000 persons."""
    rates = error_rates.rejection_rates(7, correlation=0.6, repetitions=200)
    assert rates["any"] == pytest.approx(0.5, abs=0.1)

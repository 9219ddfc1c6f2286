"""The simulated person, and the error rates of the test of change."""

import numpy as np
import pytest

from ser_brain.analysis.mood.analysis import analyse
from ser_brain.analysis.mood.description import span
from ser_brain.analysis.mood.simulation import SPANS, planted, simulate
from ser_brain.analysis.mood.timeline import read_timeline
from ser_brain.core.files import write_text
from ser_brain.core.tables import to_csv
from tests.analysis.error_rates import rejection_rates


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
    rates = rejection_rates(5, repetitions=600)
    assert 0.03 <= rates["any"] <= 0.07
    assert rates["centroid"] < rates["any"]


def test_a_large_change_is_found_and_a_small_one_is_not():
    assert rejection_rates(7, shift=3.0, repetitions=100)["centroid"] > 0.9
    assert rejection_rates(7, shift=0.2, repetitions=100)["centroid"] < 0.2
    assert rejection_rates(2, shift=9.0, repetitions=20) == {"centroid": 0.0, "any": 0.0}


def test_days_that_resemble_their_neighbours_are_called_changed_too_often():
    """docs/mood.md: .508 of 2,000 persons."""
    rates = rejection_rates(7, correlation=0.6, repetitions=200)
    assert rates["any"] == pytest.approx(0.5, abs=0.1)

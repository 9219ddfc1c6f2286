"""Small versions of the simulations that docs/mood.md reports."""

import numpy as np
import pytest

from ser_brain.mood.error_rates import _series, rejection_rates


def test_days_that_are_alike_are_called_changed_in_one_of_twenty():
    rates = rejection_rates(5, repetitions=600)
    assert 0.03 <= rates["any"] <= 0.07
    assert rates["centroid"] < rates["any"]


def test_a_large_change_is_found_and_a_small_one_is_not():
    assert rejection_rates(7, shift=3.0, repetitions=100)["centroid"] > 0.9
    assert rejection_rates(7, shift=0.2, repetitions=100)["centroid"] < 0.2


def test_days_that_resemble_their_neighbours_are_called_changed_too_often():
    assert rejection_rates(7, correlation=0.6, repetitions=200)["any"] > 0.12


def test_two_days_prove_nothing():
    assert rejection_rates(2, shift=9.0, repetitions=20) == {"centroid": 0.0, "any": 0.0}


def test_the_series_is_stationary_and_correlated_as_asked():
    series_DRM = _series(50, 500, 0.6, np.random.default_rng(0))
    assert series_DRM.std(axis=(1, 2)) == pytest.approx(1, abs=0.07)
    pairs = series_DRM[:-1].ravel(), series_DRM[1:].ravel()
    assert np.corrcoef(*pairs)[0, 1] == pytest.approx(0.6, abs=0.02)

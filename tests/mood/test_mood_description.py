import math

import numpy as np
import pytest
from scipy.stats import chi2

from ser_brain.mood.description import (
    FEWEST,
    NOTHING_SAID,
    describe,
    describe_each,
    ellipse,
    ellipse_area,
)


def test_weighted_by_speaking_time(timeline):
    found = describe(timeline([[0, 0], [1, 0.5]], seconds_N=[3, 1], neutral_N=[True, False]))
    assert (found.valence, found.arousal, found.neutral) == (0.25, 0.125, 0.75)
    assert (found.pieces, found.seconds) == (2, 4.0)
    assert found.effective == pytest.approx(16 / 10)
    assert found.range is None and found.covariance is None


def test_a_piece_twice_as_long_is_two_pieces_for_the_centroid(timeline):
    rng = np.random.default_rng(0)
    va_N2 = rng.normal(size=(20, 2))
    longer = describe(timeline(va_N2, seconds_N=[2] * 5 + [1] * 15))
    twice = describe(timeline(np.concatenate([va_N2[:5], va_N2])))
    assert longer.valence == pytest.approx(twice.valence)


def test_the_range_of_equal_pieces(timeline):
    va_N2 = np.random.default_rng(0).normal(size=(50, 2))
    found = describe(timeline(va_N2))
    covariance = np.cov(va_N2.T)
    assert np.array(found.covariance) == pytest.approx(covariance)
    expected = math.pi * chi2.ppf(0.8, 2) * math.sqrt(np.linalg.det(covariance)) * 49 / 48
    assert found.range == pytest.approx(expected)


@pytest.mark.parametrize("count", [10, 30])
def test_the_range_is_right_on_average_however_few_pieces(timeline, count):
    """Standard deviations 0.3 and 0.2, correlation 0.5; uncorrected, ten give 11 % less."""
    rng = np.random.default_rng(1)
    covariance = np.array([[0.09, 0.03], [0.03, 0.04]])
    true = math.pi * -2 * math.log(0.2) * math.sqrt(np.linalg.det(covariance))
    draws = rng.multivariate_normal([0, 0], covariance, size=(2_000, count))
    mean = np.mean([describe(timeline(va_N2)).range for va_N2 in draws])
    assert mean == pytest.approx(true, rel=0.03)


def test_the_ellipse_holds_four_fifths_of_a_normal_distribution(timeline):
    rng = np.random.default_rng(2)
    covariance = np.array([[0.09, -0.04], [-0.04, 0.04]])
    va_N2 = rng.multivariate_normal([0.2, -0.1], covariance, size=20_000)
    found = describe(timeline(va_N2))
    apart_N2 = va_N2 - [found.valence, found.arousal]
    distance_N = np.einsum("ni,ij,nj->n", apart_N2, np.linalg.inv(found.covariance), apart_N2)
    assert (distance_N <= chi2.ppf(0.8, 2)).mean() == pytest.approx(0.8, abs=0.01)
    edge_K2 = ellipse(found) - [found.valence, found.arousal]
    edge_K = np.einsum("ki,ij,kj->k", edge_K2, np.linalg.inv(found.covariance), edge_K2)
    assert edge_K == pytest.approx(chi2.ppf(0.8, 2), rel=1e-3)


def test_the_drawn_ellipse_has_the_stated_area(timeline):
    va_N2 = np.random.default_rng(3).normal(size=(12, 2)) * [0.4, 0.1]
    found = describe(timeline(va_N2))
    x, y = ellipse(found, points=2_000).T
    shoelace = abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2
    assert shoelace == pytest.approx(found.range, rel=1e-4)


def test_points_on_a_line_have_no_area(timeline):
    line = np.linspace(-1, 1, 20)
    found = describe(timeline(np.stack([line, line / 3], axis=1)))
    assert found.range == pytest.approx(0, abs=1e-6)
    assert np.isfinite(ellipse(found)).all()


def test_too_few_pieces_have_no_range(timeline):
    va_N2 = np.random.default_rng(4).normal(size=(10, 2))
    assert describe(timeline(va_N2)).effective == pytest.approx(FEWEST)
    assert describe(timeline(va_N2)).range is not None
    assert describe(timeline(va_N2, seconds_N=[2] + [1] * 9)).range is None


def test_each_period(timeline):
    one = timeline([[0, 0], [1, 0], [0.5, 0.5]])
    first, second, third = describe_each(one, np.array([2, 0, 2]), 3)
    assert (first.valence, first.pieces) == (1, 1)
    assert second == NOTHING_SAID
    assert (third.valence, third.arousal, third.pieces) == (0.25, 0.25, 2)


def test_the_area_of_a_circle():
    assert ellipse_area(np.eye(2), np.inf) == pytest.approx(math.pi * -2 * math.log(0.2))

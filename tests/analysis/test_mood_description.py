"""Periods, centroid, range and density, against scipy and theory."""

import math

import numpy as np
import pytest
from matplotlib.path import Path
from scipy.stats import gaussian_kde, multivariate_normal

from ser_brain.analysis.mood.description import (
    BANDWIDTH,
    CENTRES,
    MOST_PERIODS,
    NO_SPEECH,
    STEP,
    check_count,
    default_by,
    density,
    describe,
    describe_each,
    periods_of,
    range_ellipse,
    share_inside,
    span,
)
from ser_brain.core.errors import SERError

GRID_GG2 = np.stack(np.meshgrid(CENTRES, CENTRES), axis=-1)


def test_one_point_is_the_kernel():
    place = [CENTRES[50], CENTRES[30]]
    expected = multivariate_normal(place, BANDWIDTH**2 * np.eye(2)).pdf(GRID_GG2)
    found = density(np.array([place]), np.array([3.0]))
    assert found == pytest.approx(expected, abs=0.01 * expected.max())
    # The corner of the scale, and beyond, is on the grid.
    corner = density(np.array([[1.2, -1.2]]), np.ones(1))
    assert corner.sum() * STEP**2 == pytest.approx(1)
    assert np.unravel_index(found.argmax(), found.shape) == (30, 50)  # Rows are arousal.


def test_many_points_agree_with_scipy():
    """scipy scales its kernel to the data: give it data that scatter alike all round."""
    rng = np.random.default_rng(0)
    va_N2 = rng.normal(0, 0.3, (400, 2))
    seconds_N = rng.uniform(0.5, 5, 400)
    covariance = np.cov(va_N2.T, aweights=seconds_N)
    white_N2 = 0.3 * va_N2 @ np.linalg.inv(np.linalg.cholesky(covariance)).T
    kde = gaussian_kde(white_N2.T, bw_method=BANDWIDTH / 0.3, weights=seconds_N)
    expected = kde(GRID_GG2.reshape(-1, 2).T).reshape(len(CENTRES), -1)
    found = density(white_N2, seconds_N)
    assert found == pytest.approx(expected, abs=0.02 * expected.max())
    assert found.sum() * STEP**2 == pytest.approx(1)


def test_the_smallest_area_of_a_normal_distribution_is_a_disc():
    """P(r <= R) = 1 - exp(-R^2 / 2 s^2)."""
    inside_GG = share_inside(density(np.zeros((1, 2)), np.ones(1)))
    radius_GG = np.linalg.norm(GRID_GG2, axis=-1)
    # One point between four cells is counted in one of them: half a cell off either axis.
    for share in (0.2, 0.5, 0.8, 0.95):
        area = (inside_GG <= share).sum() * STEP**2
        expected = np.pi * -2 * BANDWIDTH**2 * np.log(1 - share)
        assert area == pytest.approx(expected, rel=0.05)
    assert inside_GG[radius_GG > 1].min() > 0.99


def test_weighted_by_speaking_time(timeline):
    found = describe(timeline([[0, 0], [1, 0.5]], seconds_N=[3, 1], neutral_N=[True, False]))
    assert (found.valence, found.arousal, found.neutral) == (0.25, 0.125, 0.75)
    assert (found.pieces, found.seconds) == (2, 4.0)
    assert found.effective == pytest.approx(16 / 10)
    assert found.range is None and found.covariance is None


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
    curve_K2 = range_ellipse(found)
    assert Path(curve_K2).contains_points(va_N2).mean() == pytest.approx(0.8, abs=0.01)
    x, y = curve_K2.T
    shoelace = abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2
    assert shoelace == pytest.approx(found.range, rel=1e-2)
    assert np.array(found.covariance) == pytest.approx(np.cov(va_N2.T))


def test_too_few_pieces_and_points_on_a_line(timeline):
    line_N2 = np.stack([np.arange(10), np.arange(10) / 3], axis=1)
    found = describe(timeline(line_N2))
    assert found.range == pytest.approx(0, abs=1e-6)
    assert np.isfinite(range_ellipse(found)).all()
    assert describe(timeline(line_N2, seconds_N=[2] + [1] * 9)).range is None


def moments(*texts):
    return np.array(texts, "datetime64[us]")


def test_each_period(timeline):
    days = moments("2026-03-02T08:00", "2026-03-04T08:00", "2026-03-04T09:00")
    one = timeline([[1, 0], [0, 0], [0.5, 0.5]], local_N=days)
    first, second, third = describe_each(one, periods_of(days, "day"))
    assert (first.valence, first.pieces) == (1, 1)
    assert second == NO_SPEECH
    assert (third.valence, third.arousal, third.pieces) == (0.25, 0.25, 2)


@pytest.mark.parametrize(
    "by, times, labels",
    [
        ("minute", ("2026-03-02T08:59:59", "2026-03-02T09:01"),
         ["2026-03-02 08:59", "2026-03-02 09:00", "2026-03-02 09:01"]),
        ("hour", ("2026-03-02T08:59", "2026-03-02T10:00"),
         ["2026-03-02 08:00", "2026-03-02 09:00", "2026-03-02 10:00"]),
        ("day", ("2026-02-28T23:59", "2026-03-02T00:00"),
         ["Sat 2026-02-28", "Sun 2026-03-01", "Mon 2026-03-02"]),
        ("week", ("2026-03-01T23:59", "2026-03-09T00:00"),
         ["Week of 2026-02-23", "Week of 2026-03-02", "Week of 2026-03-09"]),
    ],
)  # fmt: skip
def test_every_period_between_is_there(by, times, labels):
    found = periods_of(moments(*times), by)
    assert found.labels == labels
    assert found.index_N.tolist() == [0, 2]


def test_weeks_begin_on_monday():
    """As the calendar of the standard library has them, over years and leap days."""
    days = np.arange("2023-12-20", "2024-03-10", dtype="datetime64[D]")
    found = periods_of(days.astype("datetime64[us]"), "week")
    weeks = [day.item().isocalendar()[:2] for day in days]
    assert found.index_N.tolist() == [sorted(set(weeks)).index(week) for week in weeks]
    assert {start.item().isoweekday() for start in found.starts_P} == {1}


@pytest.mark.parametrize(
    "last, by",
    [("2026-03-02T23:00", "hour"), ("2026-03-03T00:00", "day"), ("2026-03-14T00:00", "day"),
     ("2026-03-15T00:00", "week")],
)  # fmt: skip
def test_what_is_shown_by_default(last, by):
    assert default_by(moments("2026-03-02T01:00", last)) == by


def test_more_than_a_reader_compares():
    far = moments("2026-01-01T00:00", "2026-12-31T00:00")
    check_count(periods_of(far, "week"))
    with pytest.raises(SERError, match=f"365 days, more than {MOST_PERIODS}; use --by week"):
        check_count(periods_of(far, "day"))
    with pytest.raises(SERError, match="8,737 hours, more than 120; use --by day"):
        check_count(periods_of(far, "hour"))
    with pytest.raises(SERError, match="weeks, more than 120; split the table"):
        check_count(periods_of(moments("2020-01-01T00:00", "2026-12-31T00:00"), "week"))


@pytest.mark.parametrize("text", ["2026-03-02", "2026-02-30..2026-03-01", "2026-3-2..2026-3-8"])
def test_bad_spans_and_periods(text):
    assert span("2026-03-02..2026-03-02") == (np.datetime64("2026-03-02"),) * 2
    with pytest.raises(SERError, match="Bad period .*; expected two dates like"):
        span(text)
    with pytest.raises(SERError, match="it ends before it begins"):
        span("2026-03-08..2026-03-02")
    with pytest.raises(SERError, match="Bad period 'weeks'; expected one of: week"):
        periods_of(moments("2026-03-02T08:59"), "weeks")

import numpy as np
import pytest

from ser_brain.errors import SERError
from ser_brain.mood.periods import MOST, check_count, default_by, periods_of, span


def moments(*texts):
    return np.array(texts, "datetime64[us]")


def test_every_hour_between_is_there():
    found = periods_of(moments("2026-03-02T08:59", "2026-03-02T11:00"), "hour")
    assert found.labels == [f"2026-03-02 {hour:02d}:00" for hour in (8, 9, 10, 11)]
    assert found.index_N.tolist() == [0, 3]


def test_every_day_between_is_there():
    found = periods_of(moments("2026-02-28T23:59", "2026-03-02T00:00"), "day")
    assert found.labels == ["Sat 2026-02-28", "Sun 2026-03-01", "Mon 2026-03-02"]
    assert found.index_N.tolist() == [0, 2]


def test_weeks_begin_on_monday():
    """As the calendar of the standard library has them, over years and leap days."""
    days = np.arange("2023-12-20", "2024-03-10", dtype="datetime64[D]")
    found = periods_of(days.astype("datetime64[us]"), "week")
    weeks = [day.item().isocalendar()[:2] for day in days]
    assert found.index_N.tolist() == [sorted(set(weeks)).index(week) for week in weeks]
    assert {start.item().isoweekday() for start in found.starts_P} == {1}
    assert found.labels[0] == "Week of 2023-12-18"


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
    with pytest.raises(SERError, match=f"365 days, more than {MOST}; use --by week"):
        check_count(periods_of(far, "day"))
    with pytest.raises(SERError, match="8,737 hours, more than 120; use --by day"):
        check_count(periods_of(far, "hour"))
    with pytest.raises(SERError, match="weeks, more than 120; split the table"):
        check_count(periods_of(moments("2020-01-01T00:00", "2026-12-31T00:00"), "week"))


def test_a_span_of_days():
    assert span("2026-03-02..2026-03-02") == (np.datetime64("2026-03-02"),) * 2


@pytest.mark.parametrize(
    "text",
    ["2026-03-02", "2026-03-02..", "2026-02-30..2026-03-01", "2026-3-2..2026-3-8", "a..b"],
)
def test_spans_that_cannot_be(text):
    with pytest.raises(SERError, match="Bad period .*; expected two dates like"):
        span(text)


def test_a_span_that_ends_before_it_begins():
    with pytest.raises(SERError, match="it ends before it begins"):
        span("2026-03-08..2026-03-02")


def test_a_misspelt_period():
    with pytest.raises(SERError, match="Bad period 'weeks'; expected one of: week"):
        periods_of(moments("2026-03-02T08:59"), "weeks")

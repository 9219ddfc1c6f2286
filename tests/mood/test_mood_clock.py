import numpy as np
import pytest

from ser_brain.errors import SERError
from ser_brain.mood.clock import read_clock
from ser_brain.mood.rows import read_rows


def clock(table, times, zone=None):
    return read_clock(read_rows(table(len(times), time=list(times))), zone)


def local(clock):
    return [str(moment)[:16] for moment in clock.local_N]


def test_times_without_a_zone_are_taken_as_they_are(table):
    found = clock(table, ["2026-03-02 08:00", "2026-03-02T08:00:30.5"])
    assert local(found) == ["2026-03-02T08:00", "2026-03-02T08:00"]
    assert found.local_N[1] - found.local_N[0] == np.timedelta64(30_500_000, "us")
    assert "names no zone" in found.note


def test_times_with_a_zone_keep_their_own_clock(table):
    # The clock goes forward on 29 March: 9:00 is an hour after 7:00, not two.
    found = clock(table, ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"])
    assert local(found) == ["2026-03-29T01:30", "2026-03-29T03:30"]
    assert np.diff(found.instant_N) == np.timedelta64(1, "h")
    assert "(UTC+01:00, UTC+02:00)" in found.note


def test_the_hour_that_comes_twice_is_in_order_where_zones_are_given(table):
    found = clock(table, ["2026-10-25T02:30:00+02:00", "2026-10-25T02:10:00+01:00"])
    assert local(found) == ["2026-10-25T02:30", "2026-10-25T02:10"]
    with pytest.raises(SERError, match="line 3 is earlier than the row before it.*autumn"):
        clock(table, ["2026-10-25T02:30:00", "2026-10-25T02:10:00"])


def test_a_zone_decides_which_day_it_is(table):
    times = ["2026-03-02T23:30:00Z", "2026-07-02T22:30:00Z"]
    assert local(clock(table, times)) == ["2026-03-02T23:30", "2026-07-02T22:30"]
    berlin = clock(table, times, "Europe/Berlin")
    assert local(berlin) == ["2026-03-03T00:30", "2026-07-03T00:30"]
    assert berlin.note == "Hours and days are those of Europe/Berlin."


@pytest.mark.parametrize(
    "times, zone, message",
    [
        (["2026-03-02T08:00"] * 2, None, "line 3 has the same time as the row before"),
        (["2026-03-02T08:00", "2026-03-01T08:00"], None, "line 3 is earlier .* Sort the table"),
        (
            ["2026-03-02T08:00", "2026-03-02T08:00Z"],
            None,
            "line 3 has a time with a zone, .*2 one",
        ),
        (["2026-03-02", "2026-03-03"], None, "line 2: time is '2026-03-02'; expected one like"),
        (["2026-03-02T08:00", "yesterday at eight"], None, "line 3: time is 'yesterday"),
        (["2026-02-30T08:00", "x"], None, "line 2: time is '2026-02-30T08:00'"),
        (["", ""], None, "time is ''"),
        (["2026-03-02T08:00", "2026-03-03T08:00"], "Europe/Berlin", "--zone sets times that"),
        (["2026-03-02T08:00Z", "2026-03-03T08:00Z"], "Berlin", "No time zone 'Berlin'"),
        (["2026-03-02T08:00Z", "2026-03-03T08:00Z"], "../x", "No time zone '../x'"),
        (["2026-03-02T08:00Z", "9999-12-31T23:00-08:00"], None, "outside the calendar"),
    ],
)
def test_times_that_cannot_be(table, times, zone, message):
    with pytest.raises(SERError, match=message):
        clock(table, times, zone)


def test_seconds_after_a_beginning(table):
    rows = read_rows(table(2, time=None, start=[0.5, 7200]))
    found = read_clock(rows, recorded_at="2026-03-02T23:00+01:00")
    assert local(found) == ["2026-03-02T23:00", "2026-03-03T01:00"]
    with pytest.raises(SERError, match="has start in seconds but no time; say when the rec"):
        read_clock(rows)
    with pytest.raises(SERError, match="--recorded_at: time is 'today'"):
        read_clock(rows, recorded_at="today")


def test_a_beginning_of_several_recordings(table):
    rows = read_rows(table(2, time=None, start=[0, 0], file=["a.wav", "b.wav"]))
    with pytest.raises(SERError, match="has pieces of 2 files, .* Give every row a time"):
        read_clock(rows, recorded_at="2026-03-02T23:00")


def test_a_beginning_for_a_table_that_has_times(table):
    with pytest.raises(SERError, match="has a column time; --recorded_at is for"):
        read_clock(read_rows(table()), recorded_at="2026-03-02T23:00")


def test_no_times_at_all(table):
    with pytest.raises(SERError, match="has no column time .* and no column start"):
        read_clock(read_rows(table(time=None)))


def test_seconds_beyond_the_calendar(table):
    with pytest.raises(SERError, match="A start of anna.csv is outside the calendar"):
        read_clock(read_rows(table(time=None, start=1e300)), recorded_at="2026-03-02T23:00")

"""Windows of a recording that comes in chunks."""

import numpy as np
import pytest

from ser_brain.errors import SERError
from ser_brain.inference.stream import Stream

RATE_HZ = 100


def heard(samples, rate_hz):
    """What the model would be given."""
    if len(samples) < 10:
        raise SERError("too short")
    return {"first": int(samples[0]), "count": len(samples), "rate_hz": rate_hz}


def played(samples, chunk, window_s=4.0, hop_s=1.0):
    stream = Stream(heard, RATE_HZ, window_s, hop_s)
    found = []
    for at in range(0, len(samples), chunk):
        found += stream.feed(samples[at : at + chunk])
    return found, stream.finish()


@pytest.mark.parametrize("chunk", [1, 37, 100, 5000])
def test_windows_do_not_depend_on_the_chunks(chunk):
    found, rest = played(np.arange(730), chunk)
    assert [row["first"] for row in found] == [0, 100, 200, 300]
    assert [(row["start_s"], row["stop_s"]) for row in found] == [
        (0, 4),
        (1, 5),
        (2, 6),
        (3, 7),
    ]
    assert all(row["count"] == 400 and row["rate_hz"] == RATE_HZ for row in found)
    assert rest == [
        {"start_s": 3.3, "stop_s": 7.3, "first": 330, "count": 400, "rate_hz": RATE_HZ}
    ]


def test_a_recording_that_ends_with_a_window_has_no_rest():
    found, rest = played(np.arange(500), 50)
    assert len(found) == 2
    assert rest == []


def test_a_short_recording_is_one_window():
    assert played(np.arange(50), 20) == (
        [],
        [{"start_s": 0.0, "stop_s": 0.5, "first": 0, "count": 50, "rate_hz": RATE_HZ}],
    )


def test_what_cannot_be_scored_is_said_and_the_stream_goes_on():
    stream = Stream(heard, RATE_HZ, 0.05, 0.05)
    assert stream.feed(np.arange(5)) == [{"start_s": 0, "stop_s": 0.05, "error": "too short"}]
    assert [row["start_s"] for row in stream.feed(np.arange(10))] == [0.05, 0.1]


def test_nothing_fed_nothing_found():
    assert Stream(heard, RATE_HZ, 4.0, 1.0).finish() == []


def test_channels_stay_together():
    stream = Stream(lambda samples, rate_hz: {"shape": samples.shape}, RATE_HZ, 1.0, 1.0)
    (row,) = stream.feed(np.zeros((120, 2)))
    assert row["shape"] == (100, 2)


def test_a_finished_stream_takes_nothing():
    stream = Stream(heard, RATE_HZ, 4.0, 1.0)
    stream.finish()
    with pytest.raises(SERError, match="finished; start another"):
        stream.feed(np.zeros(1))


@pytest.mark.parametrize("window_s, hop_s", [(4, 5), (0, 0), (4, 0), (4, -1), (4, 0.001)])
def test_windows_that_leave_something_out(window_s, hop_s):
    with pytest.raises(SERError, match="Bad windows"):
        Stream(heard, RATE_HZ, window_s, hop_s)

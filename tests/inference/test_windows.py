"""Windows of a recording that comes in chunks."""

import numpy as np
import pytest

from ser_brain.core.errors import SERError
from ser_brain.inference.windows import Held, Stream, Windows

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


def cut(count, size, hop, block):
    """Start and stop of every window of ``count`` samples that are their own places."""
    windows, places = Windows(size, hop), np.arange(count)
    found = []
    for at in range(0, count, block):
        found += windows.feed(places[at : at + block])
    found += windows.finish()
    for start, samples in found:
        np.testing.assert_array_equal(samples, places[start : start + len(samples)])
    return [(start, start + len(samples)) for start, samples in found]


@pytest.mark.parametrize("block", [1, 3, 7, 100])
@pytest.mark.parametrize(
    "count, size, hop, expected",
    [
        (10, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10)]),
        (11, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10), (7, 11)]),
        (10, 4, 4, [(0, 4), (4, 8), (6, 10)]),
        (9, 4, 3, [(0, 4), (3, 7), (5, 9)]),
        (8, 4, 4, [(0, 4), (4, 8)]),
        (4, 4, 1, [(0, 4)]),
        (3, 4, 1, [(0, 3)]),
        (5, 4, 1, [(0, 4), (1, 5)]),
        (0, 4, 1, []),
    ],
)
def test_the_last_window_ends_where_the_recording_does(count, size, hop, expected, block):
    assert cut(count, size, hop, block) == expected


def test_channels_stay_together_windows():
    samples = np.arange(12).reshape(6, 2)
    found = Windows(4, 2).feed(samples)
    assert [start for start, _ in found] == [0, 2]
    np.testing.assert_array_equal(found[1][1], samples[2:])


def test_what_is_held_does_not_grow():
    windows = Windows(size=40, hop=10)
    for _ in range(1000):
        windows.feed(np.zeros(25))
        assert windows._held.end - windows._held.first <= 40 + 25


def test_held_samples_are_found_by_their_place():
    held = Held()
    for block in np.split(np.arange(12), 4):
        held.add(block)
    held.forget(5)
    assert (held.first, held.end) == (5, 12)
    assert held.between(6, 9).tolist() == [6, 7, 8]
    held.forget(2)  # is forgotten already
    assert held.first == 5

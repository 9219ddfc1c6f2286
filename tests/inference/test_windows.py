"""Recordings are cut into windows, whole or as they come in."""

import numpy as np
import pytest

from ser_brain.core.errors import SERError
from ser_brain.inference.windows import Stream, Windows, check_windows, cut_windows
from tests.inference.stand_in import StandIn

RATE_HZ = 100


def described(samples, rate_hz):
    """A prediction that tells which samples it was made from."""
    if len(samples) < 10:
        raise SERError("too short")
    return {"first": int(samples.flat[0]), "shape": samples.shape, "rate_hz": rate_hz}


def stream(window_s=4.0, hop_s=1.0):
    return Stream(described, Windows(window_s, hop_s, RATE_HZ), RATE_HZ)


@pytest.mark.parametrize("chunk", [1, 37, 100, 5000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_streams_windows_do_not_depend_on_its_chunks(chunk, channels):
    samples = np.repeat(np.arange(730)[:, None], channels, axis=1)
    found, live = [], stream()
    for at in range(0, len(samples), chunk):
        found += live.feed(samples[at : at + chunk])
    found += live.finish()
    same = {"shape": (400, channels), "rate_hz": RATE_HZ}
    assert found == [
        {"start_s": start, "stop_s": start + 4, "first": round(100 * start), **same}
        for start in (0, 1, 2, 3, 3.3)
    ]
    with pytest.raises(SERError, match="finished; start another"):
        live.feed(samples)


@pytest.mark.parametrize("count, spans", [(0, []), (50, [(0, 0.5)]), (400, [])])
def test_the_end_of_a_stream(count, spans):
    live = stream()
    live.feed(np.arange(count))
    assert [(row["start_s"], row["stop_s"]) for row in live.finish()] == spans


def test_a_stream_goes_on_after_a_window_that_cannot_be_scored():
    live = stream(0.05, 0.05)
    assert live.feed(np.arange(5)) == [{"start_s": 0, "stop_s": 0.05, "error": "too short"}]
    assert [row["start_s"] for row in live.feed(np.arange(10))] == [0.05, 0.1]


def test_the_last_window_does_not_begin_in_lost_samples():
    windows = Windows(4, 2, 1)
    windows.feed(np.arange(4))
    windows.jump(96)
    assert windows.feed(np.arange(100, 103)) == []
    ((start, samples),) = windows.finish()
    assert start == 100 and samples.tolist() == [100, 101, 102]


@pytest.mark.parametrize("block", [1, 3, 7, 100])
@pytest.mark.parametrize(
    "count, size, hop, expected",
    [
        (10, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10)]),
        (11, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10), (7, 11)]),
        (10, 4, None, [(0, 4), (4, 8), (6, 10)]),
        (9, 4, 3, [(0, 4), (3, 7), (5, 9)]),
        (3, 4, 1, [(0, 3)]),
        (5, 4, 1, [(0, 4), (1, 5)]),
        (0, 4, 1, []),
        (9, None, None, [(0, 9)]),
    ],
)
def test_windows_cover_every_sample_to_the_end(count, size, hop, expected, block):
    places = np.arange(count)
    blocks = [places[at : at + block] for at in range(0, count, block)]
    found = list(cut_windows(blocks, 1, size, hop))
    for start, samples in found:
        np.testing.assert_array_equal(samples, places[start : start + len(samples)])
    assert [(start, start + len(samples)) for start, samples in found] == expected


@pytest.mark.parametrize(
    "window_s, hop_s, message",
    [
        (None, 1, "give --window too"),
        (31, 1, "Bad window of 31 s; this model scores clips of 0.1 to 30 s"),
        (0.05, None, "Bad window of 0.05"),
        (float("nan"), None, "Bad window of nan"),
        (4, 5, "Bad hop of 5 s; expected 0.01 s or more, and at most"),
        (4, 0, "Bad hop of 0"),
        (4, float("nan"), "Bad hop of nan"),
    ],
)
def test_windows_that_a_model_cannot_score(window_s, hop_s, message):
    with pytest.raises(SERError, match=message):
        check_windows(window_s, hop_s, StandIn())


@pytest.mark.parametrize("windows", [(None, None), (4, None), (4, 4), (30, 0.5)])
def test_windows_that_it_can(windows):
    check_windows(*windows, StandIn())

"""Windows cover a recording, however it is cut into blocks."""

import numpy as np
import pytest

from ser_brain.inference.windows import Held, Windows


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


def test_channels_stay_together():
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

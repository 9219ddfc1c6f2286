"""The test of change between two periods."""

import itertools

import numpy as np
import pytest

from ser_brain.analysis.mood.analysis import compare, outcomes_of, permute, splits_of
from ser_brain.analysis.mood.description import NO_SPEECH, Affect, span
from ser_brain.core.errors import SERError

DAYS = np.arange("2026-03-02", "2026-03-30", dtype="datetime64[D]")
WEEKS = span("2026-03-02..2026-03-08"), span("2026-03-09..2026-03-15")


def day(valence=0.0, arousal=0.0, area=0.5, neutral=0.5, pieces=50):
    """A day as the description has it; a range from 10 pieces on."""
    area = area if pieces >= 10 else None
    return Affect(pieces, float(pieces), 100.0, valence, arousal, None, area, neutral)


def days(values_D4):
    return [day(*map(float, row)) for row in values_D4]


def noise(count, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, (count, 4)) + [0, 0, 0.5, 0.5]


def test_what_is_compared():
    values_D4 = noise(14)
    values_D4[7:, :2] += [0.3, -0.4]
    found = compare(DAYS[:14], days(values_D4), WEEKS).facts
    a, b = values_D4[:7].mean(0), values_D4[7:].mean(0)
    for m, name in enumerate(("valence", "arousal", "range", "neutral")):
        measure = found["measures"][name]
        assert measure["a"] == pytest.approx(a[m])
        assert measure["difference"]["value"] == pytest.approx(b[m] - a[m])
        low, high = measure["difference"]["low"], measure["difference"]["high"]
        assert low < b[m] - a[m] < high
    # The other way round, only the sign changes.
    other = compare(DAYS[:14], days(values_D4), WEEKS[::-1]).facts
    assert other["measures"]["range"]["difference"]["value"] == pytest.approx(a[2] - b[2])
    assert other["outcomes"]["range"]["p"] == pytest.approx(found["outcomes"]["range"]["p"])
    centroid = found["outcomes"]["centroid"]
    assert centroid["difference"] == pytest.approx(np.hypot(*(b - a)[:2]))
    assert centroid["p"] == pytest.approx(2 / 3432)
    assert centroid["p_adjusted"] == pytest.approx(6 / 3432) == found["smallest_p"]
    assert found["outcomes"]["range"]["p_adjusted"] > 0.05
    assert (found["units"], found["splits"], found["exact"]) == ([7, 7], 3432, True)


def test_a_day_counts_once_however_much_was_said():
    values_D4 = noise(14)
    short = [day(*row, pieces=20) for row in values_D4.tolist()]
    uneven = [day(*row, pieces=20 + 500 * (d == 3)) for d, row in enumerate(values_D4.tolist())]
    assert compare(DAYS[:14], short, WEEKS).facts == compare(DAYS[:14], uneven, WEEKS).facts


def test_days_without_enough_speech_are_counted_and_no_neutral_without_classes():
    affects = [day(*row[:3], neutral=None) for row in noise(14).tolist()]
    short = day(pieces=9, neutral=None)
    affects[2], affects[3], affects[9] = NO_SPEECH, short, NO_SPEECH
    change = compare(DAYS[:14], affects, WEEKS)
    found = change.facts
    assert list(found["outcomes"]) == ["centroid", "range"] == list(change.differences)
    assert list(found["measures"]) == ["valence", "arousal", "range"]
    kept = {name: found["a"][name] for name in ("days", "too_short", "silent")}
    assert kept == {"days": 5, "too_short": 1, "silent": 1}
    assert (found["b"]["days"], found["b"]["silent"]) == (6, 1)
    # A span may reach beyond the table.
    longer = span("2026-02-27..2026-03-08"), WEEKS[1]
    assert compare(DAYS[:14], affects, longer).facts["a"]["silent"] == 4


def test_blocks_stay_together():
    # A last block may be shorter.
    assert compare(DAYS[:14], days(noise(14)), WEEKS, block_days=3).facts["units"] == [3, 3]
    values_D4 = noise(28)
    spans = span("2026-03-02..2026-03-15"), span("2026-03-16..2026-03-29")
    found = compare(DAYS, days(values_D4), spans, block_days=7).facts
    assert (found["units"], found["splits"], found["smallest_p"]) == ([2, 2], 6, 1.0)
    blocks_44 = values_D4.reshape(4, 7, 4).mean(axis=1)
    p_K, _ = permute(outcomes_of(blocks_44[:2]), outcomes_of(blocks_44[2:]), None)
    assert [one["p"] for one in found["outcomes"].values()] == pytest.approx(p_K.tolist())


@pytest.mark.parametrize(
    "spans, block_days, message",
    [
        ("03-02..2026-03-08 2026-03-08..2026-03-12", 1, "overlap; expected no common day"),
        ("03-02..2026-03-02 2026-03-08..2026-03-12", 1, r"10 pieces a day\): 1; a"),
        ("03-02..2026-03-04 2025-03-08..2025-03-12", 1, r"pieces a day\): 0; a"),
        ("03-02..2026-03-08 2026-03-09..2026-03-15", 7, r"blocks of 7 days .*: 1; a"),
        ("03-02..2026-03-08 2026-03-09..2026-03-15", 0, "Bad --block_days 0"),
    ],
)
def test_periods_that_cannot_be_compared(spans, block_days, message):
    spans = tuple(map(span, f"2026-{spans}".split()))
    with pytest.raises(SERError, match=message):
        compare(DAYS[:14], days(noise(14)), spans, block_days)


def test_p_is_the_share_of_splits_that_differ_as_much():
    """Against every split by hand, four days and three."""
    values_D4 = np.random.default_rng(0).normal(size=(7, 4))
    a, b = outcomes_of(values_D4[:4]), outcomes_of(values_D4[4:])
    p_K, differences_SK = permute(a, b, None)
    observed, by_hand = [], []
    for chosen in itertools.combinations(range(7), 4):
        others = [d for d in range(7) if d not in chosen]
        apart_4 = values_D4[list(chosen)].mean(0) - values_D4[others].mean(0)
        sizes = [np.hypot(*apart_4[:2]), abs(apart_4[2]), abs(apart_4[3])]
        by_hand.append(sizes)
        if chosen == (0, 1, 2, 3):
            observed = sizes
    expected = (np.array(by_hand) >= np.array(observed) - 1e-12).mean(axis=0)
    assert p_K == pytest.approx(expected)
    assert np.sort(differences_SK, axis=0) == pytest.approx(np.sort(by_hand, axis=0))


@pytest.mark.parametrize("units", [(3, 3), (4, 3), (20, 20)])
def test_the_smallest_p_is_reached_where_no_day_overlaps(units):
    """Of 20 days against 20 the splits are drawn, not enumerated."""
    a, b = np.zeros((units[0], 1)), np.ones((units[1], 1))
    a += np.arange(units[0])[:, None] / 100
    p_K, differences_SK = permute(a, b, np.random.default_rng(0))
    splits, exact, smallest = splits_of(*units)
    assert p_K[0] == pytest.approx(smallest) and len(differences_SK) == splits
    if units == (20, 20):
        assert (splits, exact, smallest) == (9_999, False, 1e-4)

import re

import numpy as np
import pytest

from ser_brain.bootstrap import clusters_of, interval, resample, tail_probability


def mean_interval(values_N, speakers, rng, resamples=300):
    clusters = clusters_of(speakers)
    statistics_NK = np.stack([np.ones(len(values_N)), values_N], axis=1)
    sums_BK = resample(statistics_NK, clusters, resamples, rng)
    return interval(sums_BK[:, 1] / sums_BK[:, 0], clusters.count)


@pytest.mark.parametrize("speakers, low, high", [(8, 0.90, 0.98), (40, 0.92, 0.98)])
def test_the_interval_covers_the_truth_as_often_as_it_says(speakers, low, high):
    """500 test sets of speakers who differ; drawing single utterances would cover far less."""
    rng = np.random.default_rng(7)
    names = np.repeat(np.arange(speakers), 20).astype(str).tolist()
    covered, covered_by_utterance = 0, 0
    for _ in range(500):
        skill_N = np.repeat(rng.beta(6, 4, speakers), 20)
        right_N = (rng.random(len(skill_N)) < skill_N).astype(float)
        lower, upper = mean_interval(right_N, names, rng, 200)
        covered += lower <= 0.6 <= upper
        lower, upper = mean_interval(right_N, [None] * len(names), rng, 50)
        covered_by_utterance += lower <= 0.6 <= upper
    assert low <= covered / 500 <= high
    assert covered_by_utterance / 500 < low - 0.08


def test_a_seed_gives_the_same_interval():
    values_N = np.arange(20.0)
    names = list("abcde" * 4)
    one, same, other = (
        mean_interval(values_N, names, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_utterances_are_drawn_by_name_whatever_their_order():
    names, values_N = [f"u{n}" for n in range(12)], np.arange(12.0)
    order = np.random.default_rng(3).permutation(12)
    drawn = [
        resample(values_N[rows, None], clusters, 9, np.random.default_rng(0))
        for rows in (np.arange(12), order)
        for clusters in [clusters_of([None] * 12, [names[n] for n in rows])]
    ]
    np.testing.assert_array_equal(*drawn)


def test_speakers_are_drawn_whole():
    clusters = clusters_of(["a"] * 3 + ["b"] * 5)
    sums_BK = resample(np.ones((8, 1)), clusters, 200, np.random.default_rng(0))
    assert set(sums_BK.ravel()) == {6.0, 8.0, 10.0}


def test_many_clusters_are_drawn_in_parts(monkeypatch):
    monkeypatch.setattr("ser_brain.bootstrap.COUNTS_AT_ONCE", 25)
    clusters = clusters_of([None] * 10)
    sums_BK = resample(np.ones((10, 2)), clusters, 7, np.random.default_rng(0))
    assert sums_BK.tolist() == [[10.0, 10.0]] * 7


@pytest.mark.parametrize(
    "speakers, unit, count, note",
    [
        (["a", "b"] * 10, "speaker", 2, "Only 2 speakers"),
        ([str(i) for i in range(10)], "speaker", 10, "^$"),
        (["a", None, "b"], "utterance", 3, "the speaker of 1 of 3 utterances is unknown"),
        (["a", "a"], "utterance", 2, "there is only one speaker"),
    ],
)
def test_what_is_drawn(speakers, unit, count, note):
    clusters = clusters_of(speakers)
    assert (clusters.unit, clusters.count) == (unit, count)
    assert re.search(note, clusters.note)


def test_few_speakers_widen_the_tails():
    # Student's t with 9 degrees of freedom: 2.2622 * sqrt(10 / 9) = 2.3845 -> 0.0086.
    assert tail_probability(10) == pytest.approx(0.00855, abs=1e-5)
    assert tail_probability(2) < 1e-6


def test_undefined_resamples():
    assert interval(np.array([np.nan, 1.0, 2.0]), 5)[0] == pytest.approx(1.0, abs=0.05)
    assert interval(np.array([np.nan, np.nan, 2.0]), 5) == (None, None)
    assert interval(np.array([1.0, 2.0]), 1) == (None, None)
    assert interval(np.zeros(0), 5) == (None, None)


def test_all_predictions_of_an_utterance_are_drawn_together():
    clusters = clusters_of(["a"] * 4, ["x", "y", "x", "y"])
    assert (clusters.unit, clusters.count) == ("utterance", 2)
    statistics_NK = np.array([[1.0], [10.0], [1.0], [10.0]])
    sums_BK = resample(statistics_NK, clusters, 50, np.random.default_rng(0))
    assert set(sums_BK[:, 0]) == {4.0, 22.0, 40.0}

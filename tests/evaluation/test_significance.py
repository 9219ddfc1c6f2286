"""Intervals and p-values: how often they err, and by other libraries."""

import re
from functools import partial

import numpy as np
import pytest
from scipy import stats

from ser_brain.evaluation import metrics
from ser_brain.evaluation.significance import (
    clusters_of,
    holm,
    interval,
    paired_permutation_test,
    permutation_note,
    resample,
    tail_probability,
)


def mean_interval(values_N, speakers, rng, resamples):
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


def test_many_clusters_are_drawn_in_parts(monkeypatch):
    monkeypatch.setattr("ser_brain.evaluation.significance.COUNTS_AT_ONCE", 25)
    sums_BK = resample(np.ones((10, 2)), clusters_of([None] * 10), 7, np.random.default_rng(0))
    assert sums_BK.tolist() == [[10.0, 10.0]] * 7


UTTERANCES = "p swaps single utterances for the same reason"


@pytest.mark.parametrize(
    "speakers, unit, note, of_p",
    [
        ("ab" * 10, "speaker", "Only 2 speakers, too few", "p cannot fall below 0.5"),
        ("abcde", "speaker", "Only 5 speakers: take", "Only 5 .* p cannot fall below 0.0625"),
        ("abcdef", "speaker", "Only 6 speakers: take", "^$"),
        ("abcdefghij", "speaker", "^$", "^$"),
        (["a", None, "b"], "utterance", "speaker of 1 of 3 utterances is unknown", UTTERANCES),
        ("aa", "utterance", "there is only one speaker", UTTERANCES),
    ],
)
def test_what_is_drawn_and_what_a_reader_is_told(speakers, unit, note, of_p):
    clusters = clusters_of(speakers)
    count = len(speakers) if unit == "utterance" else len(set(speakers))
    assert (clusters.unit, clusters.count) == (unit, count)
    assert re.search(note, clusters.note) and re.search(of_p, permutation_note(clusters))


def test_few_speakers_widen_the_tails():
    # Student's t with 9 degrees of freedom: 2.2622 * sqrt(10 / 9) = 2.3845 -> 0.0086.
    assert tail_probability(10) == pytest.approx(0.00855, abs=1e-5)
    assert tail_probability(2) < 1e-6


def test_undefined_resamples():
    assert interval(np.array([np.nan, 1.0, 2.0]), 5)[0] == pytest.approx(1.0, abs=0.05)
    assert interval(np.array([np.nan, np.nan, 2.0]), 5) == (None, None)
    assert interval(np.array([1.0, 2.0]), 1) == (None, None)
    assert interval(np.zeros(0), 5) == (None, None)


@pytest.mark.parametrize("speakers", ["aaaa", "abab"])  # drawn by utterance, and by speaker
def test_a_cluster_is_drawn_as_a_whole(speakers):
    clusters = clusters_of(speakers, ["x", "y", "x", "y"])
    statistics_NK = np.array([[1.0], [10.0], [1.0], [10.0]])
    sums_BK = resample(statistics_NK, clusters, 50, np.random.default_rng(0))
    assert set(sums_BK[:, 0]) == {4.0, 22.0, 40.0}


CLASSES = 3


def uar(sums_XK):
    return metrics.uar(sums_XK.reshape(*sums_XK.shape[:-1], CLASSES, CLASSES))


def answers(rng, speakers, each, edge=0.0):
    """Truth and two models' answers; how good a model is varies from speaker to speaker."""
    true_N = rng.integers(CLASSES, size=speakers * each)
    found = []
    for model in range(2):
        skill_N = np.repeat(rng.beta(4, 3, speakers), each) + model * edge
        wrong_N = (true_N + rng.integers(1, CLASSES, size=len(true_N))) % CLASSES
        found.append(np.where(rng.random(len(true_N)) < skill_N, true_N, wrong_N))
    names = np.repeat(np.arange(speakers), each).astype(str).tolist()
    return true_N, *found, names


def p_of(true_N, one_N, other_N, names, seed=0):
    sides = [metrics.confusion_cells(true_N, said_N, CLASSES) for said_N in (one_N, other_N)]
    rng, clusters = np.random.default_rng(seed), clusters_of(names)
    return paired_permutation_test(*sides, clusters, {"uar": uar}, rng)["uar"]


def scipys(true_N, one_N, other_N, names):
    """The same test by scipy: what is swapped are the numbers of the speakers."""
    cells = [metrics.confusion_cells(true_N, n, CLASSES) for n in (one_N, other_N)]
    clusters = clusters_of(names)
    sums_SK = np.zeros((2 * clusters.count, CLASSES**2))
    np.add.at(sums_SK, clusters.index_N, cells[0])
    np.add.at(sums_SK, clusters.index_N + clusters.count, cells[1])

    def apart(one, other, axis):
        return np.round(uar(sums_SK[other].sum(axis - 1)) - uar(sums_SK[one].sum(axis - 1)), 12)

    numbers = np.arange(clusters.count)
    return stats.permutation_test(
        (numbers, numbers + clusters.count),
        partial(apart, axis=-1),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    ).pvalue


@pytest.mark.parametrize("edge", [0.0, 0.1, 0.3])
def test_all_swaps_give_scipys_p(edge):
    found = answers(np.random.default_rng(3), 8, 12, edge)
    assert p_of(*found) == pytest.approx(scipys(*found), abs=1e-12)


def test_drawn_swaps_come_near_all_of_them(monkeypatch):
    found = answers(np.random.default_rng(4), 12, 10, 0.05)
    exact = p_of(*found)
    monkeypatch.setattr("ser_brain.evaluation.significance.EXACT_UP_TO", 3)
    assert 0.05 < exact < 0.5
    assert p_of(*found) == pytest.approx(exact, abs=0.015)
    assert p_of(*found) == p_of(*found) != p_of(*found, seed=1)


def test_equal_models_mirrored_ones_and_opposites():
    true_N = np.tile(np.arange(CLASSES), 20)
    names = np.arange(60).astype(str).tolist()
    assert p_of(true_N, true_N, (true_N + 1) % CLASSES, names) == 1 / 10_000  # never 0
    true_N, one_N, other_N, names = answers(np.random.default_rng(6), 7, 9, 0.1)
    assert p_of(true_N, one_N, one_N, names) == 1.0
    assert p_of(true_N, one_N, other_N, names) == p_of(true_N, other_N, one_N, names) < 1


def test_it_errs_as_often_as_it_says(monkeypatch):
    """Two models that are equally good on average; single utterances would err far more."""
    monkeypatch.setattr("ser_brain.evaluation.significance.SWAPS", 300)
    rng = np.random.default_rng(7)
    by_speaker = by_utterance = 0
    for n in range(400):
        *found, names = answers(rng, 9, 16)
        by_speaker += p_of(*found, names) < 0.05
        by_utterance += n < 60 and p_of(*found, [None] * len(names)) < 0.05
    assert 0.02 <= by_speaker / 400 <= 0.08
    assert by_utterance / 60 > 0.12


def test_undefined_metrics():
    one_NK, other_NK = np.ones((6, 1)), np.zeros((6, 1))
    undefined = {"never": lambda sums_XK: np.full(sums_XK.shape[:-1], np.nan)}
    rng, clusters = np.random.default_rng(0), clusters_of("abcdef")
    found = paired_permutation_test(one_NK, other_NK, clusters, undefined, rng)
    assert found == {"never": None}
    # Defined for the models as they are, undefined for most mixtures: these count as extreme.
    some = {"some": lambda sums: np.where(sums % 6 == 0, sums, np.nan)[..., 0]}
    assert paired_permutation_test(one_NK, other_NK, clusters, some, rng) == {"some": 1.0}


def test_holm():
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([None, 0.02]) == [None, 0.02]
    assert holm([]) == []

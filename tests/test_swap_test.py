import re
from functools import partial

import numpy as np
import pytest
from scipy import stats

from ser_brain import label_metrics
from ser_brain.bootstrap import clusters_of
from ser_brain.swap_test import holm, note, swap_test

CLASSES = 3


def uar(sums_XK):
    return label_metrics.uar(sums_XK.reshape(*sums_XK.shape[:-1], CLASSES, CLASSES))


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
    one_NK, other_NK = (
        label_metrics.confusion_cells(true_N, answer_N, CLASSES)
        for answer_N in (one_N, other_N)
    )
    rng = np.random.default_rng(seed)
    return swap_test(one_NK, other_NK, clusters_of(names), {"uar": uar}, rng)["uar"]


def scipys(true_N, one_N, other_N, names):
    """The same test by scipy: what is swapped are the numbers of the speakers."""
    cells = [label_metrics.confusion_cells(true_N, n, CLASSES) for n in (one_N, other_N)]
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
    monkeypatch.setattr("ser_brain.swap_test.EXACT_UP_TO", 3)
    assert 0.05 < exact < 0.5
    assert p_of(*found) == pytest.approx(exact, abs=0.015)
    assert p_of(*found) == p_of(*found) != p_of(*found, seed=1)


def test_drawn_swaps_never_give_zero():
    true_N = np.tile(np.arange(CLASSES), 20)
    names = np.arange(60).astype(str).tolist()
    assert p_of(true_N, true_N, (true_N + 1) % CLASSES, names) == 1 / 10_000


def test_equal_models_and_mirrored_ones():
    true_N, one_N, other_N, names = answers(np.random.default_rng(6), 7, 9, 0.1)
    assert p_of(true_N, one_N, one_N, names) == 1.0
    assert p_of(true_N, one_N, other_N, names) == p_of(true_N, other_N, one_N, names) < 1


def test_it_errs_as_often_as_it_says(monkeypatch):
    """Two models that are equally good on average; single utterances would err far more."""
    monkeypatch.setattr("ser_brain.swap_test.SWAPS", 300)
    rng = np.random.default_rng(7)
    by_speaker = by_utterance = 0
    for _ in range(400):
        *found, names = answers(rng, 9, 16)
        by_speaker += p_of(*found, names) < 0.05
    for _ in range(60):
        *found, names = answers(rng, 9, 16)
        by_utterance += p_of(*found, [None] * len(names)) < 0.05
    assert 0.02 <= by_speaker / 400 <= 0.08
    assert by_utterance / 60 > 0.12


def test_a_real_difference_is_found():
    rng = np.random.default_rng(8)
    found = sum(p_of(*answers(rng, 12, 15, 0.25)) < 0.05 for _ in range(40))
    assert found >= 30


def test_undefined_metrics():
    one_NK, other_NK = np.ones((6, 1)), np.zeros((6, 1))
    undefined = {"never": lambda sums_XK: np.full(sums_XK.shape[:-1], np.nan)}
    rng, clusters = np.random.default_rng(0), clusters_of("abcdef")
    assert swap_test(one_NK, other_NK, clusters, undefined, rng) == {"never": None}
    # Defined for the models as they are, undefined for most mixtures: these count as extreme.
    some = {"some": lambda sums: np.where(sums % 6 == 0, sums, np.nan)[..., 0]}
    assert swap_test(one_NK, other_NK, clusters, some, rng) == {"some": 1.0}


@pytest.mark.parametrize(
    "speakers, said",
    [
        ("abcde", "Only 5 speakers: p cannot fall below 0.0625"),
        ("abcdef", "^$"),
        ([None, "a"], "p swaps single utterances for the same reason"),
    ],
)
def test_what_a_reader_is_told(speakers, said):
    assert re.search(said, note(clusters_of(speakers)))


def test_holm():
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([None, 0.02]) == [None, 0.02]
    assert holm([]) == []

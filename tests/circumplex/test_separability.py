import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ser_brain.circumplex import separability
from ser_brain.circumplex.separability import compare, probe, sign_flip


@pytest.fixture
def scored():
    rng = np.random.default_rng(0)
    high_N = rng.random(80) < 0.4
    score_N = (rng.normal(size=80) + high_N).round(1)  # rounding makes ties
    return score_N, high_N, rng.integers(5, size=80)


def test_auc_is_that_of_scikit_learn(scored):
    score_N, high_N, speaker_N = scored
    pair = compare(score_N, high_N, ~high_N, speaker_N, 5)
    assert pair.auc(np.ones(5)) == pytest.approx(roc_auc_score(high_N, score_N))


def test_auc_of_many_utterances_is_taken_in_blocks(scored, monkeypatch):
    score_N, high_N, speaker_N = scored
    whole = compare(score_N, high_N, ~high_N, speaker_N, 5)
    monkeypatch.setattr(separability, "COMPARED_AT_ONCE", 100)
    in_blocks = compare(score_N, high_N, ~high_N, speaker_N, 5)
    np.testing.assert_array_equal(in_blocks.won_SS, whole.won_SS)


def test_auc_of_resampled_speakers_is_that_of_the_repeated_utterances(scored):
    score_N, high_N, speaker_N = scored
    pair = compare(score_N, high_N, ~high_N, speaker_N, 5)
    rows = np.concatenate([np.flatnonzero(speaker_N == s) for s in (1, 1, 1, 4, 0)])
    counts_BS = np.array([[1.0, 3, 0, 0, 1], [0, 0, 0, 0, 0]])
    expected = roc_auc_score(high_N[rows], score_N[rows])
    found = pair.auc(counts_BS)
    assert found[0] == pytest.approx(expected)
    assert np.isnan(found[1])


def test_auc_within_speakers(scored):
    score_N, high_N, speaker_N = scored
    found = compare(score_N, high_N, ~high_N, speaker_N, 5).within_speakers()
    for speaker in range(5):
        own = speaker_N == speaker
        assert found[speaker] == pytest.approx(roc_auc_score(high_N[own], score_N[own]))


def test_a_known_auc():
    """Two normal distributions 1 apart: Phi(1 / sqrt 2) = .760."""
    rng = np.random.default_rng(1)
    score_N, high_N = rng.normal(size=4000), np.arange(4000) < 2000
    score_N[high_N] += 1
    pair = compare(score_N, high_N, ~high_N, np.zeros(4000, int), 1)
    assert pair.auc(np.ones(1)) == pytest.approx(0.760, abs=0.02)


def test_the_probe_finds_the_planted_axis():
    """Not the widest axis, but the one that tells the sides apart."""
    rng = np.random.default_rng(2)
    points_ND = rng.normal(size=(2000, 3)) * [10, 1, 1]
    high_N = np.arange(2000) < 700
    points_ND[high_N] += [0.0, 3.0, 0.0]
    weights_D = probe(points_ND, high_N, ~high_N).weights_D
    assert weights_D[1] / np.linalg.norm(weights_D) > 0.98


def test_the_probe_works_in_more_dimensions_than_utterances():
    rng = np.random.default_rng(3)
    points_ND, high_N = rng.normal(size=(40, 300)), np.arange(40) < 20
    points_ND[high_N, 0] += 8
    new_ND = rng.normal(size=(400, 300))
    new_ND[:200, 0] += 8
    score_N = probe(points_ND, high_N, ~high_N).score(new_ND)
    assert roc_auc_score(np.arange(400) < 200, score_N) > 0.9


def test_sign_flips_by_hand():
    """Of 8 ways to sign 1, 1 and 1, two reach a mean of 1 in size."""
    assert sign_flip([1.0, 1.0, 1.0], np.random.default_rng(0)) == 2 / 8
    assert sign_flip([0.0, np.nan, 0.0], np.random.default_rng(0)) == 1
    assert sign_flip([1.0], np.random.default_rng(0)) is None


def test_sign_flips_of_many_speakers_are_drawn():
    rng = np.random.default_rng(0)
    assert sign_flip(np.ones(40), rng) == pytest.approx(2e-4)
    assert sign_flip(rng.normal(size=200), rng) > 0.05


def test_the_scale_of_an_axis_is_that_of_its_sides_wherever_they_lie():
    rng = np.random.default_rng(4)
    points_ND, high_N = rng.normal(size=(60, 5)), np.arange(60) < 25
    points_ND[high_N] += 3
    for shifted_ND in (points_ND, 10 * points_ND + 1000):
        score_N = probe(shifted_ND, high_N, ~high_N).score(shifted_ND)
        assert score_N[high_N].mean() == pytest.approx(1)
        assert score_N[~high_N].mean() == pytest.approx(0, abs=1e-9)

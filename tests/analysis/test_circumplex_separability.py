"""Separability of planted spaces; AUC, probe and sign flips against known values."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ser_brain.analysis.circumplex import separability as module
from ser_brain.analysis.circumplex.data import draw
from ser_brain.analysis.circumplex.distances import reduce_sets
from ser_brain.analysis.circumplex.procrustes import place_points
from ser_brain.analysis.circumplex.separability import (
    compare,
    probe_scores,
    separability,
    sign_flip_test,
)
from tests.analysis.planted import FOUR, circle, cloud, embedding_set, points, reduced


def separated(found):
    rng = np.random.default_rng(0)
    draws = draw(found.test.clouds.values(), 300, rng)
    return separability(found, place_points(found, "embedding"), draws, rng)


def planted(means_E2, emotions=FOUR):
    return separated(reduced({"run": cloud(*points(means_E2, 10, 8))}, emotions))


def test_a_space_that_holds_arousal_and_little_valence():
    """Study 2's claim, planted: the valence axis is squeezed to a fifth."""
    result, drawn = planted(circle(FOUR, 4.0) * [0.2, 1.0])
    for way in ("map", "best"):
        found = result[way]
        assert found["arousal"]["auc"]["value"] > found["valence"]["auc"]["value"] + 0.1, way
        assert found["difference"]["low"] > 0, way
        assert found["within_speakers"]["p"] == pytest.approx(2 / 2**8), way
        assert found["within_speakers"]["speakers"] == 8
    assert set(drawn) == {f"{a} {w}" for a in ("arousal", "valence") for w in ("map", "best")}
    # The AUC of an axis is the mean over pairs of emotions.
    valence = result["map"]["valence"]
    pairs = {(pair["high"], pair["low"]): pair["auc"] for pair in valence["pairs"]}
    assert list(pairs) == [("happiness", "anger"), ("happiness", "sadness")]
    mean = np.mean(list(pairs.values()))
    assert [valence["auc"]["value"], valence["parts"]["run"]] == pytest.approx([mean, mean])


def test_a_space_that_holds_both_alike_shows_no_difference():
    """Three words at even angles: both axes separate their sides equally well."""
    even = ["happiness", "anger", "sadness", "calm"]
    square = 2.0 * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    result, _ = planted(square @ np.array([[0.8, 0.6], [-0.6, 0.8]]), even)
    for way in ("map", "best"):
        found = result[way]["difference"]
        assert found["low"] < 0 < found["high"] or abs(found["value"]) < 0.02, way


def test_a_space_without_emotion_is_at_chance():
    result, _ = planted(np.zeros((4, 2)))
    for way in ("map", "best"):
        for axis in ("arousal", "valence"):
            assert result[way][axis]["auc"]["value"] == pytest.approx(0.5, abs=0.1), (way, axis)


def test_the_best_axis_finds_what_the_map_lacks():
    """Valence is in a direction too small for the first three components."""
    means_E2 = circle(FOUR, 4.0) * [0, 1]
    points_ND, emotion_N, speakers = points(means_E2, 10, 8, turn_DD=np.eye(8))
    points_ND *= [1, 3, 3, 3, 1, 1, 1, 1]
    noise_N = np.random.default_rng(0).normal(size=len(points_ND))
    points_ND[:, 7] = 0.2 * noise_N + 1.0 * (emotion_N == 1)
    result, _ = separated(reduced({"run": cloud(points_ND, emotion_N, speakers)}, FOUR))
    assert result["map"]["valence"]["auc"]["value"] < 0.75
    assert result["best"]["valence"]["auc"]["value"] > 0.95


def test_an_axis_with_one_side_has_no_auc():
    emotions = ["anger", "fear", "neutral"]
    result, drawn = planted(circle(emotions), emotions)
    assert result["map"]["arousal"] is None and result["map"]["valence"] is None
    assert result["map"]["difference"] is None and drawn == {}


def test_scores_on_the_axes_of_different_folds_are_comparable():
    """Far from the origin and in more dimensions than clips, raw projections are not."""
    points_ND, *labels = points(circle(FOUR, 5.0), 5, 8, size=200, turn_DD=np.eye(200))
    result, _ = separated(reduced({"run": cloud(points_ND + 50, *labels)}, FOUR))
    for axis in ("arousal", "valence"):
        assert result["best"][axis]["auc"]["value"] > 0.97, axis


def test_an_axis_without_training_data_has_no_score():
    """The fitted set has no sadness, the test set has."""
    known = FOUR[:2] + FOUR[3:]
    train = embedding_set({"run": cloud(*points(circle(known), 5, 4))}, known, "train")
    test = embedding_set({"run": cloud(*points(circle(FOUR), 5, 4), prefix="t")}, FOUR, "test")
    sets = reduce_sets({"train": train, "test": test}, "embedding", 3)
    result, _ = separated(sets["test"])
    assert result["best"]["arousal"]["auc"]["value"] is None
    assert result["best"]["valence"]["auc"]["value"] > 0.5


def test_auc_of_all_of_each_speaker_and_of_resamples_is_that_of_scikit_learn(monkeypatch):
    rng = np.random.default_rng(0)
    high_N = rng.random(80) < 0.4
    score_N = (rng.normal(size=80) + high_N).round(1)  # rounding makes ties
    speaker_N = rng.integers(5, size=80)
    pair = compare(score_N, high_N, ~high_N, speaker_N, 5)
    assert pair.auc(np.ones(5)) == pytest.approx(roc_auc_score(high_N, score_N))
    for speaker, auc in enumerate(pair.within_speakers()):
        own = speaker_N == speaker
        assert auc == pytest.approx(roc_auc_score(high_N[own], score_N[own]))
    rows = np.concatenate([np.flatnonzero(speaker_N == s) for s in (1, 1, 1, 4, 0)])
    drawn, nobody = pair.auc(np.array([[1.0, 3, 0, 0, 1], [0, 0, 0, 0, 0]]))
    assert drawn == pytest.approx(roc_auc_score(high_N[rows], score_N[rows]))
    assert np.isnan(nobody)
    monkeypatch.setattr(module, "COMPARED_AT_ONCE", 100)
    in_blocks = compare(score_N, high_N, ~high_N, speaker_N, 5)
    np.testing.assert_array_equal(in_blocks.won_SS, pair.won_SS)


def test_the_probe_finds_the_planted_axis():
    """Not the widest axis, but the one that separates the sides, with means at 0 and 1."""
    points_ND = np.random.default_rng(2).normal(size=(2000, 3)) * [10, 1, 1]
    high_N = np.arange(2000) < 700
    points_ND[high_N] += [0.0, 3.0, 0.0]
    for moved_ND in (points_ND, 10 * points_ND + 1000):
        score_N = probe_scores(moved_ND, high_N, ~high_N, moved_ND)
        assert score_N[high_N].mean() == pytest.approx(1)
        assert score_N[~high_N].mean() == pytest.approx(0, abs=1e-9)
        assert np.corrcoef(score_N, moved_ND[:, 1])[0, 1] > 0.98


def test_sign_flips_by_hand_and_of_many_speakers():
    """Of 8 ways to sign 1, 1 and 1, two reach a mean of 1 in size."""
    rng = np.random.default_rng(0)
    assert sign_flip_test([1.0, 1.0, 1.0], rng) == 2 / 8
    assert sign_flip_test([0.0, 0.0], rng) == 1
    assert sign_flip_test([1.0], rng) is None
    assert sign_flip_test(np.ones(40), rng) == pytest.approx(2e-4)
    assert sign_flip_test(np.random.default_rng(0).normal(size=200), rng) > 0.05

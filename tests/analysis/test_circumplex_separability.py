"""."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ser_brain.analysis.circumplex import procrustes
from ser_brain.analysis.circumplex import separability as separability_separability
from ser_brain.analysis.circumplex.bootstrap import draw
from ser_brain.analysis.circumplex.components import map_sets
from ser_brain.analysis.circumplex.separability import compare, probe, separability, sign_flip
from tests.analysis.planted import FOUR, circle, cloud, embedding_set, points


def judged(means_E2, emotions=FOUR, **options):
    clouds = {"run": cloud(*points(means_E2, 10, 8, **options))}
    found = map_sets({"planted": embedding_set(clouds, emotions)}, "embedding", 3)["planted"]
    rng = np.random.default_rng(0)
    draws = draw(clouds.values(), 300, rng)
    return separability(found, procrustes.as_placed(found, "embedding"), draws, rng)


def test_a_space_that_holds_arousal_and_little_valence():
    """Study 2's claim, planted: the valence axis is squeezed to a fifth."""
    result, drawn = judged(circle(FOUR, 4.0) * [0.2, 1.0])
    for way in ("map", "best"):
        found = result[way]
        assert found["arousal"]["auc"]["value"] > found["valence"]["auc"]["value"] + 0.1, way
        assert found["difference"]["low"] > 0, way
        assert found["within_speakers"]["p"] == pytest.approx(2 / 2**8), way
        assert found["within_speakers"]["speakers"] == 8
    assert set(drawn) == {f"{a} {w}" for a in ("arousal", "valence") for w in ("map", "best")}


def test_a_space_that_holds_both_alike_shows_no_difference():
    """Three words at even angles: both axes tell their sides apart as well."""
    even = ["happiness", "anger", "sadness", "calm"]
    square = 2.0 * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    result, _ = judged(square @ np.array([[0.8, 0.6], [-0.6, 0.8]]), even)
    for way in ("map", "best"):
        difference = result[way]["difference"]
        assert difference["low"] < 0 < difference["high"] or abs(difference["value"]) < 0.02, (
            way
        )


def test_a_space_that_holds_nothing_is_at_chance():
    result, _ = judged(np.zeros((4, 2)))
    for way in ("map", "best"):
        for axis in ("arousal", "valence"):
            assert result[way][axis]["auc"]["value"] == pytest.approx(0.5, abs=0.1), (way, axis)


def test_the_best_axis_finds_what_the_map_leaves_out():
    """Valence lies in a direction too small for the first three components."""
    rng = np.random.default_rng(0)
    points_ND, emotion_N, speakers = points(
        circle(FOUR, 4.0) * [0, 1], 10, 8, turn_DD=np.eye(8)
    )
    points_ND *= [1, 3, 3, 3, 1, 1, 1, 1]
    points_ND[:, 7] = 0.2 * rng.normal(size=len(points_ND)) + 1.0 * (emotion_N == 1)
    clouds = {"run": cloud(points_ND, emotion_N, speakers)}
    found = map_sets({"planted": embedding_set(clouds, FOUR)}, "embedding", 3)["planted"]
    draws = draw(clouds.values(), 50, rng)
    result, _ = separability(found, procrustes.as_placed(found, "embedding"), draws, rng)
    assert result["map"]["valence"]["auc"]["value"] < 0.75
    assert result["best"]["valence"]["auc"]["value"] > 0.95


def test_the_auc_is_the_mean_over_pairs_of_emotions():
    result, _ = judged(circle(FOUR, 2.0))
    valence = result["map"]["valence"]
    assert [(p["high"], p["low"]) for p in valence["pairs"]] == [
        ("happiness", "anger"),
        ("happiness", "sadness"),
    ]
    mean = np.mean([p["auc"] for p in valence["pairs"]])
    assert valence["auc"]["value"] == pytest.approx(mean)
    assert valence["parts"]["run"] == pytest.approx(mean)


def test_an_axis_with_one_side_is_not_judged():
    pair = ["anger", "fear", "neutral"]
    result, drawn = judged(circle(pair), pair)
    assert result["map"]["arousal"] is None and result["map"]["valence"] is None
    assert result["map"]["difference"] is None
    assert drawn == {}


def test_scores_of_speakers_judged_by_different_axes_can_be_compared():
    """Far from the origin and in many dimensions, raw projections could not."""
    points_ND, *labels = points(circle(FOUR, 4.0), 5, 8, size=60, turn_DD=np.eye(60))
    clouds = {"run": cloud(points_ND + 50, *labels)}
    found = map_sets({"planted": embedding_set(clouds, FOUR)}, "embedding", 3)["planted"]
    rng = np.random.default_rng(0)
    draws = draw(clouds.values(), 20, rng)
    result, _ = separability(found, procrustes.as_placed(found, "embedding"), draws, rng)
    for axis in ("arousal", "valence"):
        assert result["best"][axis]["auc"]["value"] > 0.97, axis


def test_an_axis_that_nothing_was_heard_of_has_no_score():
    """The fitted set has no sadness, the judged one has."""
    high = ["anger", "happiness", "neutral"]
    heard = embedding_set({"run": cloud(*points(circle(high), 5, 4))}, high, "heard")
    judged_too = embedding_set(
        {"run": cloud(*points(circle(FOUR), 5, 4), prefix="j")}, FOUR, "j"
    )
    found = map_sets({"heard": heard, "j": judged_too}, "embedding", 3)["j"]
    rng = np.random.default_rng(0)
    draws = draw(found.judged.clouds.values(), 20, rng)
    result, _ = separability(found, procrustes.as_placed(found, "embedding"), draws, rng)
    assert result["best"]["arousal"]["auc"]["value"] is None
    assert result["best"]["valence"]["auc"]["value"] > 0.5


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
    monkeypatch.setattr(separability_separability, "COMPARED_AT_ONCE", 100)
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

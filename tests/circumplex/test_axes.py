import numpy as np
import pytest

from ser_brain.circumplex import placing
from ser_brain.circumplex.axes import separability
from ser_brain.circumplex.mapping import map_sets
from ser_brain.circumplex.resampling import draw
from tests.circumplex.planted import FOUR, circle, cloud, embedding_set, points


def judged(means_E2, emotions=FOUR, **options):
    clouds = {"run": cloud(*points(means_E2, 10, 8, **options))}
    found = map_sets({"planted": embedding_set(clouds, emotions)}, "embedding", 3)["planted"]
    rng = np.random.default_rng(0)
    draws = draw(clouds.values(), 300, rng)
    return separability(found, placing.as_placed(found, "embedding"), draws, rng)


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
    result, _ = separability(found, placing.as_placed(found, "embedding"), draws, rng)
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
    result, _ = separability(found, placing.as_placed(found, "embedding"), draws, rng)
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
    result, _ = separability(found, placing.as_placed(found, "embedding"), draws, rng)
    assert result["best"]["arousal"]["auc"]["value"] is None
    assert result["best"]["valence"]["auc"]["value"] > 0.5

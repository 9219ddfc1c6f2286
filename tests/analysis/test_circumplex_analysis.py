"""The whole analysis of planted spaces."""

import json

import numpy as np
import pytest

from ser_brain.analysis.circumplex.analysis import analyse
from ser_brain.analysis.circumplex.data import read_sets
from ser_brain.core.errors import SERError
from ser_brain.evaluation.runs import read_run
from tests.analysis.planted import (
    FOUR,
    SEVEN,
    circle,
    cloud,
    embedding_set,
    points,
    rotation,
    write_run,
)


def analysed(planted, space="embedding", components=3):
    found = analyse({"planted": planted}, space, components, resamples=100, permutations=100)
    return found["planted"]


def a_set(emotions=SEVEN, name="planted", role="test", parts=("fold 1", "fold 2"), **options):
    clouds = {
        part: cloud(
            *points(circle(emotions), 5, 5, seed=n, turn_DD=rotation(8, n), **options),
            prefix=f"{part}-",
        )
        for n, part in enumerate(parts)
    }
    return embedding_set(clouds, emotions, name, role)


def of_one(*of_points, **options):
    return embedding_set({"run": cloud(*of_points, **options)}, FOUR)


def test_a_planted_circle_from_end_to_end():
    results = analysed(a_set(noise=0.6)).results
    json.dumps(results, allow_nan=False)
    assert results["utterances"] == 350 and results["speakers"] == 10
    assert results["points"] == dict.fromkeys(SEVEN, 50)
    assert results["fitted_on"] == "planted"
    assert results["order"]["words"]["violations"]["value"] == 0
    assert results["order"]["words"]["correlation"]["p_names"] < 0.01
    assert results["order"]["neutral_as_calm"] is None
    assert results["placement"]["mean_error"]["value"] < 6
    for axis in ("arousal", "valence"):
        assert results["separability"]["map"][axis]["auc"]["value"] > 0.8
    assert results["variance"]["fold 1"]["components"] == 3
    pairs = results["distances"]["pairs"]
    values = [pair["shared"]["value"] for pair in pairs]
    assert len(pairs) == 21 and values == sorted(values, reverse=True)
    # Fear and anger are the nearest words, 17 degrees apart.
    assert set(pairs[-1]["between"]) == {"anger", "fear"}


def test_distances_are_far_above_those_under_permuted_labels():
    results = analysed(a_set(FOUR)).results["distances"]
    assert results["mean"]["low"] > 2 * results["chance"]
    assert results["parts"]["fold 1"] == pytest.approx(results["mean"]["value"], rel=0.3)


def test_random_draws_are_the_same_for_every_model():
    first, second = (analysed(a_set(FOUR)) for _ in range(2))
    assert first.results == second.results
    np.testing.assert_array_equal(first.draws.counts_BS, second.draws.counts_BS)


@pytest.mark.parametrize("speakers", [1, 3])
def test_the_order_of_rows_changes_no_number(tmp_path, speakers):
    """Issue 13, no. 33: one speaker, so that utterances are drawn; and three."""
    of_points = points(circle(FOUR), 12, speakers)
    order = np.random.default_rng(0).permutation(len(of_points[0]))
    names = [f"planted_{n}" for n in order]
    shuffled = (of_points[0][order], of_points[1][order], [of_points[2][n] for n in order])
    found = []
    for folder, some, ids in (("a", of_points, None), ("b", shuffled, names)):
        write_run(tmp_path / folder, some, FOUR, ids=ids)
        sets = read_sets(read_run(tmp_path / folder, True, False), {"run": "run"}, "embedding")
        found.append(analysed(sets["planted"]).results)
    assert found[0] == found[1]


def test_two_emotions_have_distances_and_no_order():
    results = analysed(a_set(["anger", "sadness"]), components=2).results
    json.dumps(results, allow_nan=False)
    assert len(results["distances"]["pairs"]) == 1
    assert results["order"] == {"words": None, "neutral_as_calm": None}
    assert results["placement"]["mean_error"] is None
    assert results["separability"]["map"]["arousal"]["auc"]["value"] is None
    assert results["separability"]["best"]["arousal"]["auc"]["value"] > 0.9
    assert results["separability"]["map"]["valence"] is None


def test_an_emotion_whose_points_coincide_is_named():
    planted = a_set(FOUR, parts=("run",))
    one = planted.clouds["run"]
    one.points_ND[one.emotion_N == 1] = 3.0
    message = "Singular covariance on planted, run: all points of happiness coincide"
    with pytest.raises(SERError, match=message):
        analysed(planted)


def test_one_speaker_is_drawn_by_utterance_with_a_note():
    results = analysed(of_one(*points(circle(FOUR), 20, 1))).results
    assert results["speakers"] is None
    assert "there is only one speaker" in results["interval_note"]
    assert results["placement"]["mean_error"]["value"] < 20


def test_predicted_valence_and_arousal_are_not_placed():
    plane = points(circle(FOUR, 1.0), 5, 6, size=2, noise=0.2, turn_DD=np.eye(2))
    results = analysed(of_one(*plane), "va").results
    assert results["variance"]["run"]["components"] == 2
    assert results["placement"]["mean_error"]["value"] < 8
    assert results["placement"]["emotions"][0]["left_out_error"] is None


def test_a_space_of_lengths_is_distinguished_from_one_of_emotions():
    """The widest direction is how long a clip is."""
    points_ND, emotion_N, speakers = points(circle(FOUR), 5, 6, turn_DD=np.eye(8))
    duration_N = np.random.default_rng(0).uniform(1, 5, len(points_ND))
    points_ND[:, 7] += 20 * duration_N
    duration_N[0] = np.nan
    results = analysed(of_one(points_ND, emotion_N, speakers, duration_N=duration_N)).results
    assert results["variance"]["run"]["length_correlation"] > 0.99
    unknown = analysed(a_set(FOUR)).results["variance"]
    assert unknown["fold 1"]["length_correlation"] is None

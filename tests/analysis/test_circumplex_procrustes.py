"""Placement on Russell's plane, and its error."""

import numpy as np
import pytest

from ser_brain.analysis.circumplex.data import draw
from ser_brain.analysis.circumplex.distances import reduce_sets
from ser_brain.analysis.circumplex.order import reference_points
from ser_brain.analysis.circumplex.procrustes import (
    angular_errors,
    fit,
    on_words,
    place,
    place_points,
    placement_error,
)
from tests.analysis.planted import (
    FOUR,
    SEVEN,
    circle,
    cloud,
    embedding_set,
    points,
    reduced,
    rotation,
)


@pytest.mark.parametrize("size, seed", [(2, 0), (2, 1), (3, 0), (8, 1)])
def test_a_planted_rotation_reflection_scale_and_shift_is_undone(size, seed):
    """Determinants of both signs: with two components the second seed reflects."""
    words_E2 = circle(SEVEN, radius=1.0)
    space_ED = np.zeros((len(SEVEN), size))
    space_ED[:, :2] = 4.2 * words_E2
    space_ED = space_ED @ rotation(size, seed) + 11
    found = fit(space_ED, words_E2)
    np.testing.assert_allclose(found.place(space_ED), words_E2, atol=1e-9)
    assert found.rotation_k2.T @ found.rotation_k2 == pytest.approx(np.eye(2))


def test_scale_is_the_least_squares_one():
    rng = np.random.default_rng(0)
    points, goals = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    found = fit(points, goals)

    def misfit(scale):
        placed = (points - found.origin_k) @ found.rotation_k2 * scale + found.shift_2
        return ((placed - goals) ** 2).sum()

    assert misfit(found.scale) < min(misfit(found.scale * 1.01), misfit(found.scale * 0.99))
    # One scale for both axes: a stretched plane is not made a circle.
    words_E2 = circle(SEVEN, radius=1.0)
    flat_E2 = words_E2 * [1.0, 0.1]
    placed = fit(flat_E2, words_E2).place(flat_E2)
    assert np.ptp(placed[:, 1]) < 0.2 * np.ptp(placed[:, 0])


def test_every_emotion_has_the_same_weight_and_two_are_too_few():
    three = ["anger", "happiness", "sadness"]
    words_E2 = reference_points(three)
    emotion_N = np.repeat([0, 1, 2], [50, 3, 5])
    one = cloud(words_E2[emotion_N] * 2, emotion_N, ["s"] * 58)
    np.testing.assert_allclose(on_words(three)(one).origin_k, 2 * words_E2.mean(axis=0))
    # Two emotions do not decide whether the plane is reflected.
    assert on_words(three, without=2)(one) is None


def test_angular_errors_by_hand():
    """Anger is at 99 degrees, happiness at 7.8; neutral has no angle."""
    placed = np.array([[0.0, -2.0], [1.0, 0.0], [-1.0, -1.0]])
    found = angular_errors(placed, ["anger", "happiness", "neutral"])
    np.testing.assert_allclose(found, [171, 7.8, np.nan], atol=1e-9)


def planted(emotions=FOUR, noise=0.3, parts=2, means=None, **options):
    means = circle(emotions) if means is None else means
    clouds = {
        f"fold {n}": cloud(
            *points(means, 5, 6, noise=noise, seed=n, turn_DD=rotation(8, n)),
            prefix=f"{n}-",
            **options,
        )
        for n in range(parts)
    }
    return reduced(clouds, emotions)


def placed_and_error(found, space="embedding"):
    draws = draw(found.test.clouds.values(), 200, np.random.default_rng(0))
    placed = place_points(found, space)
    return placed, placement_error(found, placed, space, draws)


def test_a_planted_circle_is_placed_by_other_speakers():
    """Each fold's space is rotated its own way; placed, they are one plane."""
    emotions = [*SEVEN, "neutral"]
    found = planted(emotions)
    placed, result = placed_and_error(found)
    for part, points_N2 in placed.items():
        emotion_N = found.test.clouds[part].emotion_N
        for n in range(len(emotions)):
            centre = points_N2[emotion_N == n].mean(axis=0)
            assert centre == pytest.approx(circle(emotions, 1.0)[n], abs=0.1)
    assert result["mean_error"]["value"] < 4 and result["mean_error"]["high"] < 10
    assert set(result["parts"]) == {"fold 0", "fold 1"}
    *rows, neutral = result["emotions"]
    for row in rows:
        assert row["error"]["value"] < 8 and row["left_out_error"] < 15
    # Neutral has a place and no angle.
    assert neutral["valence"]["value"] == pytest.approx(0, abs=0.15)
    assert neutral["error"] is None and neutral["left_out_error"] is None


def test_a_space_that_is_no_circle_fails_on_the_excluded_word():
    """Emotions at random places: the fit adapts to the words it knows, not to others."""
    wrong = circle(SEVEN)[np.random.default_rng(5).permutation(7)]
    _, result = placed_and_error(planted(SEVEN, means=wrong))
    assert np.mean([row["left_out_error"] for row in result["emotions"]]) > 60


def test_a_speaker_is_never_placed_by_a_fit_on_themselves():
    found = planted(parts=1)
    fitted_on = []

    def recording_fit(cloud):
        fitted_on.append(set(cloud.speaker_N))
        return on_words(FOUR)(cloud)

    placed = place(found, recording_fit)
    everyone = set(found.test.clouds["fold 0"].speaker_N)
    assert len(fitted_on) == 6
    assert all(len(everyone - speakers) == 1 for speakers in fitted_on)
    assert np.isfinite(placed["fold 0"]).all()


@pytest.mark.parametrize("shift", [0, 4])
def test_another_set_is_placed_by_one_fit_on_the_first(shift):
    """A shifted set is placed badly, and well after recentring."""
    first = embedding_set({"run": cloud(*points(circle(FOUR), 5, 4, noise=0.2))}, FOUR, "first")
    points_ND, *labels = points(circle(FOUR), 5, 4, noise=0.2, seed=1)
    shifted = cloud(points_ND + shift * rotation(8)[0], *labels, prefix="o")
    other = embedding_set({"run": shifted}, FOUR, "other")
    found = reduce_sets({"first": first, "other": other}, "embedding", 3)
    _, result = placed_and_error(found["other"])
    error = result["mean_error"]["value"]
    assert error > 30 if shift else error < 6
    assert max(row["recentred_error"] for row in result["emotions"][:3]) < 8
    _, result = placed_and_error(found["first"])
    assert {row["recentred_error"] for row in result["emotions"]} == {None}


@pytest.mark.parametrize("step", [1, 2])
def test_ccc_with_ratings_is_one_where_the_space_is_the_ratings(step):
    """With all utterances rated, or every second one."""
    means = circle(SEVEN, 1.0)
    true_va_N2 = np.full((210, 2), np.nan)
    true_va_N2[::step] = means[points(means, 5, 6)[1]][::step]
    found = planted(SEVEN, noise=1e-4, parts=1, means=means, true_va_N2=true_va_N2)
    _, result = placed_and_error(found)
    assert set(result["ratings"]) == {"words", "ratings"}
    for axes in result["ratings"].values():
        assert [axes[axis]["value"] for axis in ("valence", "arousal")] == pytest.approx(
            [1, 1], abs=1e-3
        )


def test_two_emotions_cannot_be_placed():
    placed, result = placed_and_error(planted(["anger", "sadness"]))
    assert all(np.isnan(points_N2).all() for points_N2 in placed.values())
    assert result == {"emotions": [], "mean_error": None, "parts": {}, "ratings": {}}

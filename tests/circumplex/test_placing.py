import numpy as np
import pytest

from ser_brain.circumplex import judging, placing
from ser_brain.circumplex.mapping import map_sets
from ser_brain.circumplex.resampling import draw
from tests.circumplex.planted import FOUR, SEVEN, circle, cloud, embedding_set, points, rotation


def mapped(emotions=FOUR, noise=0.3, parts=2, space="embedding", means=None, **options):
    means = circle(emotions) if means is None else means
    clouds = {
        f"fold {n}": cloud(
            *points(means, 5, 6, noise=noise, seed=n, turn_DD=rotation(8, n)),
            prefix=f"{n}-",
            **options,
        )
        for n in range(parts)
    }
    return map_sets({"planted": embedding_set(clouds, emotions)}, space, 3)["planted"]


def judged(found, space="embedding"):
    draws = draw(found.judged.clouds.values(), 200, np.random.default_rng(0))
    placed = placing.as_placed(found, space)
    return placed, judging.judge(found, placed, space, draws)


def test_a_planted_circle_is_placed_by_other_speakers():
    """Each fold's space is turned its own way; placed, they are one plane."""
    found = mapped(SEVEN)
    placed, result = judged(found)
    for part, points_N2 in placed.items():
        emotion_N = found.judged.clouds[part].emotion_N
        for n in range(len(SEVEN)):
            centre = points_N2[emotion_N == n].mean(axis=0)
            assert centre == pytest.approx(circle(SEVEN, 1.0)[n], abs=0.1)
    assert result["mean_error"]["value"] < 4
    assert result["mean_error"]["high"] < 10
    for row in result["emotions"]:
        assert row["error"]["value"] < 8
        assert row["left_out_error"] < 15
    assert set(result["parts"]) == {"fold 0", "fold 1"}


def test_neutral_has_a_place_and_no_angle():
    _, result = judged(mapped(FOUR))
    neutral = result["emotions"][3]
    assert neutral["valence"]["value"] == pytest.approx(0, abs=0.15)
    assert neutral["error"] is None
    assert neutral["left_out_error"] is None


def test_a_space_that_is_no_circle_fails_on_the_word_left_out():
    """Emotions at random places: the fit bends to what it knows, not to what it does not."""
    rng = np.random.default_rng(5)
    wrong = circle(SEVEN)[rng.permutation(7)]
    _, result = judged(mapped(SEVEN, means=wrong))
    errors = [row["left_out_error"] for row in result["emotions"]]
    assert np.mean(errors) > 60


def test_a_speaker_is_never_placed_by_a_fit_on_itself(monkeypatch):
    found = mapped(parts=1)
    heard = []
    fit = placing.on_words(FOUR)

    def listening(cloud):
        heard.append(set(cloud.speakers))
        return fit(cloud)

    placing.place(found, listening)
    everyone = set(found.judged.clouds["fold 0"].speakers)
    assert all(len(everyone - speakers) == 1 for speakers in heard)
    assert len(heard) == 6


def test_another_set_is_placed_by_one_fit_on_the_first():
    first = embedding_set({"run": cloud(*points(circle(FOUR), 5, 4, noise=0.2))}, FOUR, "first")
    shifted = points(circle(FOUR), 5, 4, noise=0.2, seed=1)
    other = embedding_set({"run": cloud(*shifted, prefix="o")}, FOUR, "other")
    found = map_sets({"first": first, "other": other}, "embedding", 3)["other"]
    _, result = judged(found)
    assert result["mean_error"]["value"] < 6


def test_a_shifted_set_is_placed_well_once_it_is_recentred():
    first = embedding_set({"run": cloud(*points(circle(FOUR), 5, 4, noise=0.2))}, FOUR, "first")
    points_ND, *labels = points(circle(FOUR), 5, 4, noise=0.2, seed=1)
    shifted = cloud(points_ND + 4 * rotation(8)[0], *labels, prefix="o")
    other = embedding_set({"run": shifted}, FOUR, "other")
    maps = map_sets({"first": first, "other": other}, "embedding", 3)
    _, result = judged(maps["other"])
    assert result["mean_error"]["value"] > 30
    assert max(row["recentred_error"] for row in result["emotions"][:3]) < 8
    _, result = judged(maps["first"])
    assert {row["recentred_error"] for row in result["emotions"]} == {None}


def test_predicted_valence_and_arousal_stand_where_they_are():
    clouds = {
        "run": cloud(*points(circle(FOUR, 1.0), 5, 4, size=2, noise=0.1, turn_DD=np.eye(2)))
    }
    found = map_sets({"planted": embedding_set(clouds, FOUR)}, "va", 3)["planted"]
    placed, result = judged(found, "va")
    np.testing.assert_array_equal(placed["run"], clouds["run"].points_ND)
    assert result["mean_error"]["value"] < 6
    assert result["emotions"][0]["left_out_error"] is None


def test_ccc_with_ratings_is_one_where_the_space_is_the_ratings():
    means = circle(SEVEN, 1.0)
    emotion_N = points(means, 5, 6)[1]
    found = mapped(SEVEN, noise=1e-4, parts=1, means=means, true_va_N2=means[emotion_N])
    _, result = judged(found)
    assert set(result["ratings"]) == {"words", "ratings"}
    for way in ("words", "ratings"):
        for axis in ("valence", "arousal"):
            assert result["ratings"][way][axis]["value"] == pytest.approx(1, abs=1e-3)


def test_ratings_that_are_half_missing_are_used_where_they_are():
    means = circle(SEVEN, 1.0)
    true_va_N2 = means[points(means, 5, 6)[1]]
    true_va_N2[::2] = np.nan
    found = mapped(SEVEN, noise=1e-4, parts=1, means=means, true_va_N2=true_va_N2)
    _, result = judged(found)
    assert result["ratings"]["words"]["valence"]["value"] == pytest.approx(1, abs=1e-3)


def test_two_emotions_cannot_be_placed():
    found = mapped(["anger", "sadness"])
    placed, result = judged(found)
    assert all(np.isnan(points_N2).all() for points_N2 in placed.values())
    assert result == {"emotions": [], "mean_error": None, "parts": {}, "ratings": {}}

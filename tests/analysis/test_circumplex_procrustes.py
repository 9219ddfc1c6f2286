"""."""

import numpy as np
import pytest

from ser_brain.analysis.circumplex import procrustes
from ser_brain.analysis.circumplex.angles import targets
from ser_brain.analysis.circumplex.bootstrap import draw
from ser_brain.analysis.circumplex.components import map_sets
from tests.analysis.planted import FOUR, SEVEN, circle, cloud, embedding_set, points, rotation


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_planted_rotation_reflection_scale_and_shift_is_undone(seed, size):
    """Determinants of both signs: with two components the second seed reflects."""
    words_E2 = circle(SEVEN, radius=1.0)
    space_ED = np.zeros((len(SEVEN), size))
    space_ED[:, :2] = 4.2 * words_E2
    space_ED = space_ED @ rotation(size, seed) + 11
    found = procrustes.fit(space_ED, words_E2)
    np.testing.assert_allclose(found.place(space_ED), words_E2, atol=1e-9)
    assert found.scale == pytest.approx(1 / 4.2)
    assert found.rotation_k2.T @ found.rotation_k2 == pytest.approx(np.eye(2))


def test_a_stretched_plane_is_not_made_a_circle():
    words_E2 = circle(SEVEN, radius=1.0)
    flat_E2 = words_E2 * [1.0, 0.1]
    placed = procrustes.fit(flat_E2, words_E2).place(flat_E2)
    assert np.ptp(placed[:, 1]) < 0.2 * np.ptp(placed[:, 0])


def test_scale_is_the_least_squares_one():
    rng = np.random.default_rng(0)
    points, goals = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    found = procrustes.fit(points, goals)

    def misfit(scale):
        placed = (points - found.origin_k) @ found.rotation_k2 * scale + found.shift_2
        return ((placed - goals) ** 2).sum()

    assert misfit(found.scale) < min(misfit(found.scale * 1.01), misfit(found.scale * 0.99))


def test_every_emotion_weighs_the_same_however_many_clips_it_has():
    words_E2 = targets(["anger", "happiness", "sadness"])
    counts = np.array([50, 3, 5])
    emotion_N = np.repeat([0, 1, 2], counts)
    found = procrustes.fit_emotions(words_E2[emotion_N] * 2, emotion_N, words_E2)
    np.testing.assert_allclose(found.origin_k, 2 * words_E2.mean(axis=0))


def test_two_emotions_leave_the_reflection_open():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.1]])
    words_E2 = targets(["anger", "happiness", "sadness"])
    assert procrustes.fit_emotions(points, np.array([0, 1, 1]), words_E2) is None


def test_folds_judge_each_speaker_once_by_others():
    speakers = [f"s{n % 13}" for n in range(60)]
    judged = []
    for others, rows in procrustes.speaker_folds(speakers):
        assert not {speakers[n] for n in others} & {speakers[n] for n in rows}
        judged += rows.tolist()
    assert sorted(judged) == list(range(60))


def test_folds_of_unknown_speakers_are_of_utterances():
    folds = list(procrustes.speaker_folds([None] * 20))
    assert len(folds) == 10
    assert all(len(rows) == 2 for _, rows in folds)


def test_angular_errors_by_hand():
    placed = np.array([[1.0, 0.0], [0.0, -2.0], [-1.0, -1.0]])
    found = procrustes.angular_errors(placed, np.array([350.0, 90.0, 225.0]))
    np.testing.assert_allclose(found, [10, 180, 0], atol=1e-9)


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
    placed = procrustes.as_placed(found, space)
    return placed, procrustes.judge(found, placed, space, draws)


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
    fit = procrustes.on_words(FOUR)

    def listening(cloud):
        heard.append(set(cloud.speakers))
        return fit(cloud)

    procrustes.place(found, listening)
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

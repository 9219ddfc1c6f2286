import numpy as np
import pytest

from ser_brain.circumplex import placement
from ser_brain.circumplex.reference import targets
from tests.circumplex.planted import SEVEN, circle, rotation


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_planted_rotation_reflection_scale_and_shift_is_undone(seed, size):
    """Determinants of both signs: with two components the second seed reflects."""
    words_E2 = circle(SEVEN, radius=1.0)
    space_ED = np.zeros((len(SEVEN), size))
    space_ED[:, :2] = 4.2 * words_E2
    space_ED = space_ED @ rotation(size, seed) + 11
    found = placement.fit(space_ED, words_E2)
    np.testing.assert_allclose(found.place(space_ED), words_E2, atol=1e-9)
    assert found.scale == pytest.approx(1 / 4.2)
    assert found.rotation_k2.T @ found.rotation_k2 == pytest.approx(np.eye(2))


def test_a_stretched_plane_is_not_made_a_circle():
    words_E2 = circle(SEVEN, radius=1.0)
    flat_E2 = words_E2 * [1.0, 0.1]
    placed = placement.fit(flat_E2, words_E2).place(flat_E2)
    assert np.ptp(placed[:, 1]) < 0.2 * np.ptp(placed[:, 0])


def test_scale_is_the_least_squares_one():
    rng = np.random.default_rng(0)
    points, goals = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    found = placement.fit(points, goals)

    def misfit(scale):
        placed = (points - found.origin_k) @ found.rotation_k2 * scale + found.shift_2
        return ((placed - goals) ** 2).sum()

    assert misfit(found.scale) < min(misfit(found.scale * 1.01), misfit(found.scale * 0.99))


def test_every_emotion_weighs_the_same_however_many_clips_it_has():
    words_E2 = targets(["anger", "happiness", "sadness"])
    counts = np.array([50, 3, 5])
    emotion_N = np.repeat([0, 1, 2], counts)
    found = placement.fit_emotions(words_E2[emotion_N] * 2, emotion_N, words_E2)
    np.testing.assert_allclose(found.origin_k, 2 * words_E2.mean(axis=0))


def test_two_emotions_leave_the_reflection_open():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.1]])
    words_E2 = targets(["anger", "happiness", "sadness"])
    assert placement.fit_emotions(points, np.array([0, 1, 1]), words_E2) is None


def test_folds_judge_each_speaker_once_by_others():
    speakers = [f"s{n % 13}" for n in range(60)]
    judged = []
    for others, rows in placement.speaker_folds(speakers):
        assert not {speakers[n] for n in others} & {speakers[n] for n in rows}
        judged += rows.tolist()
    assert sorted(judged) == list(range(60))


def test_folds_of_unknown_speakers_are_of_utterances():
    folds = list(placement.speaker_folds([None] * 20))
    assert len(folds) == 10
    assert all(len(rows) == 2 for _, rows in folds)


def test_angular_errors_by_hand():
    placed = np.array([[1.0, 0.0], [0.0, -2.0], [-1.0, -1.0]])
    found = placement.angular_errors(placed, np.array([350.0, 90.0, 225.0]))
    np.testing.assert_allclose(found, [10, 180, 0], atol=1e-9)

"""Gaussians and distances, against scikit-learn and known values."""

import numpy as np
import pytest
from sklearn.covariance import oas

from ser_brain.analysis.circumplex.distances import (
    covariances,
    distances,
    moments,
    moments_by_speaker,
    moments_of_labels,
    require_gaussians,
    shared_distances,
)
from ser_brain.core.errors import SERError
from tests.analysis.planted import rotation


@pytest.fixture
def three():
    """Points of three emotions with shapes of their own."""
    rng = np.random.default_rng(0)
    emotion_N = np.repeat([0, 1, 2], [20, 30, 7])
    points_N3 = (
        rng.normal(size=(57, 3)) * np.array([[1, 2, 3], [3, 1, 1], [1, 1, 1]])[emotion_N]
    )
    points_N3[:, 0] += 4.0 * emotion_N
    return points_N3, emotion_N


def test_covariances_are_those_of_scikit_learn(three):
    points_N3, emotion_N = three
    found = moments(points_N3, emotion_N, 3)
    own_E33, shared_33 = covariances(found)
    for emotion in range(3):
        expected, _ = oas(points_N3[emotion_N == emotion])
        np.testing.assert_allclose(own_E33[emotion], expected)
    about_N3 = points_N3 - found.means_XEk[emotion_N]
    np.testing.assert_allclose(shared_33, oas(about_N3, assume_centered=True)[0])


def test_distances_of_known_gaussians():
    """Means 3 apart; variances 1 and 4 along the line between them, 1 across it."""
    rng = np.random.default_rng(1)
    emotion_N = np.repeat([0, 1], 100_000)
    points_N2 = rng.normal(size=(200_000, 2))
    points_N2[100_000:, 0] = 2 * points_N2[100_000:, 0] + 3
    found = distances(moments(points_N2, emotion_N, 2))
    assert found["shared"][0, 1] == pytest.approx(3 / np.sqrt(2.5), rel=0.01)
    assert found["own"][0, 1] == pytest.approx(3 / np.sqrt(2.5), rel=0.01)
    # 1/8 * 9 / 2.5 + 1/2 * ln(2.5 / sqrt(1 * 4))
    expected = 9 / 2.5 / 8 + np.log(2.5 / 2) / 2
    assert found["bhattacharyya"][0, 1] == pytest.approx(expected, rel=0.01)


def test_own_and_shared_covariance_differ_where_a_third_emotion_is_wide():
    rng = np.random.default_rng(2)
    emotion_N = np.repeat([0, 1, 2], 50_000)
    points_N1 = rng.normal(size=(150_000, 1))
    points_N1[50_000:100_000] += 2
    points_N1[100_000:] *= np.sqrt(7)
    found = distances(moments(points_N1, emotion_N, 3))
    assert found["own"][0, 1] == pytest.approx(2, rel=0.01)
    assert found["shared"][0, 1] == pytest.approx(2 / np.sqrt(3), rel=0.01)


def test_distances_are_symmetric_zero_to_itself_and_do_not_turn_with_the_space(three):
    points_N3, emotion_N = three
    plain = distances(moments(points_N3, emotion_N, 3))
    turned = distances(moments(points_N3 @ rotation(3) + 5, emotion_N, 3))
    for kind, apart_EE in plain.items():
        np.testing.assert_allclose(apart_EE, apart_EE.T, atol=1e-9)
        np.testing.assert_allclose(np.diag(apart_EE), 0, atol=1e-6)
        np.testing.assert_allclose(turned[kind], apart_EE, atol=1e-6)
    np.testing.assert_allclose(shared_distances(moments(*three, 3)), plain["shared"])


def test_more_dimensions_than_clips_still_have_a_distance():
    """Fewer clips than dimensions, as in Emo-DB."""
    rng = np.random.default_rng(3)
    emotion_N = np.repeat([0, 1], 31)
    points_ND = rng.normal(size=(62, 200))
    points_ND[31:, 0] += 5
    apart = distances(moments(points_ND, emotion_N, 2))
    assert all(np.isfinite(apart_EE).all() for apart_EE in apart.values())


def test_a_speaker_drawn_twice_counts_twice(three):
    points_N3, emotion_N = three
    speaker_N = np.arange(57) % 3
    found = moments_by_speaker(points_N3, emotion_N, 3, speaker_N, 3).resampled(
        np.array([[2.0, 0, 1]])
    )
    rows = np.concatenate([np.flatnonzero(speaker_N == s) for s in (0, 0, 2)])
    expected = moments(points_N3[rows], emotion_N[rows], 3)
    np.testing.assert_allclose(found.n_XE[0], expected.n_XE)
    np.testing.assert_allclose(distances(found)["own"][0], distances(expected)["own"])


def test_moments_of_other_labels(three):
    points_N3, emotion_N = three
    labels_PN = np.stack([emotion_N, emotion_N[::-1]])
    found = moments_of_labels(points_N3, labels_PN, 3)
    for p in range(2):
        expected = moments(points_N3, labels_PN[p], 3)
        np.testing.assert_allclose(shared_distances(found)[p], shared_distances(expected))


def test_an_emotion_that_a_resample_lacks_is_undefined_and_no_other(three):
    points_N3, emotion_N = three
    kept = emotion_N < 2
    apart = distances(moments(points_N3[kept], emotion_N[kept], 3))
    for kind in ("shared", "own", "bhattacharyya"):
        assert np.isfinite(apart[kind][0, 1]), kind
        assert np.isnan(apart[kind][0, 2]), kind


@pytest.mark.parametrize("clips", [1, 6])
def test_points_that_coincide_are_named(three, clips):
    points_N3, emotion_N = three
    kept = np.concatenate(
        [np.flatnonzero(emotion_N < 2), np.flatnonzero(emotion_N == 2)[:clips]]
    )
    points_N3[emotion_N == 2] = 7.0
    found = moments(points_N3[kept], emotion_N[kept], 3)
    with pytest.raises(
        SERError, match="Singular covariance on emodb: all points of fear coincide"
    ):
        require_gaussians(found, ["anger", "sadness", "fear"], "emodb")

"""Components, Gaussians and distances: known values, scikit-learn, errors."""

import numpy as np
import pytest
from sklearn.covariance import oas

from ser_brain.analysis.circumplex.distances import (
    components_for,
    covariances,
    distances,
    fit,
    moments,
    moments_by_speaker,
    moments_of_labels,
    reduce_sets,
    shared_distances,
)
from ser_brain.core.errors import SERError
from tests.analysis.planted import FOUR, SEVEN, circle, cloud, embedding_set, points, rotation


def a_set(name="planted", emotions=FOUR, role="test", parts=("run",), **options):
    clouds = {part: cloud(*points(circle(emotions), 5, 4, **options)) for part in parts}
    return embedding_set(clouds, emotions, name, role)


def test_the_first_set_is_fitted_on():
    found = reduce_sets({"b": a_set("b"), "a": a_set("a", seed=1)}, "embedding", 3)
    assert found["b"].fitted_on_itself and not found["a"].fitted_on_itself
    assert found["a"].fitted_on.name == "b"
    first, second = (found[name].reductions["run"].components_kD for name in "ab")
    np.testing.assert_array_equal(first, second)
    assert found["a"].points("run").shape == (80, 3)
    # ... that has every part of the test set
    sets = {"a": a_set("a"), "b": a_set("b", parts=("fold 1", "fold 2"))}
    assert reduce_sets(sets, "embedding", 2)["b"].fitted_on.name == "b"


def test_a_training_set_is_fitted_on_and_not_tested():
    sets = {"b": a_set("b"), "a-train": a_set("a-train", SEVEN, role="train", seed=1)}
    found = reduce_sets(sets, "embedding", 2)
    assert list(found) == ["b"] and found["b"].fitted_on.name == "a-train"
    # With the test set's emotions, in its order.
    to_fit = found["b"].fit_cloud("run")
    names = np.array(SEVEN)[sets["a-train"].clouds["run"].emotion_N]
    kept = names[np.isin(names, FOUR)]
    assert [FOUR[n] for n in to_fit.emotion_N] == kept.tolist()
    assert {len(column) for column in to_fit.columns} == {len(kept)}
    # ... unless there is nothing else.
    assert list(reduce_sets({"a": a_set("a", role="train")}, "embedding", 2)) == ["a"]


def test_valence_and_arousal_keep_their_axes():
    found = reduce_sets({"a": a_set("a", size=2)}, "va", 3)["a"]
    np.testing.assert_array_equal(found.points("run"), found.test.clouds["run"].points_ND)
    plane = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    np.testing.assert_allclose(fit(plane, None).ratio_R, [0.2, 0.8])


@pytest.fixture
def known():
    """Variances 16, 9, 4, 1 along rotated axes, to the last digit."""
    normal_ND = np.random.default_rng(0).normal(size=(200, 4))
    whole_ND, _ = np.linalg.qr(normal_ND - normal_ND.mean(axis=0))
    return (whole_ND * np.array([4.0, 3.0, 2.0, 1.0])) @ rotation(4) + 10


def test_components_explain_the_planted_variance_and_keep_distances(known):
    found = fit(known, 2)
    np.testing.assert_allclose(found.ratio_R, np.array([16, 9, 4, 1]) / 30)
    assert components_for(found.ratio_R) == [2, 2, 3]
    assert found.share(known) == pytest.approx(25 / 30)
    projected = fit(known, 4).project(known)
    expected = np.linalg.norm(known[0] - known[1])
    assert np.linalg.norm(projected[0] - projected[1]) == pytest.approx(expected)
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-9)
    # Points across the first component have no share of it.
    across = 10 + rotation(4)[3] * np.linspace(-5, 5, 11)[:, None]
    assert fit(known, 1).share(across) == pytest.approx(0, abs=1e-9)


def test_points_that_cannot_be_reduced(known):
    message = "^planted, run: Cannot fit 9 components: 80 points in 8 dimensions span only 8"
    with pytest.raises(SERError, match=message):
        reduce_sets({"planted": a_set()}, "embedding", 9)
    flat = np.column_stack([known[:, :2], known[:, 0] + known[:, 1]])
    with pytest.raises(SERError, match="span only 2. Use --components 2 or fewer"):
        fit(flat, 3)
    known[3, 1] = np.nan
    for components in (1, None):
        with pytest.raises(SERError, match="All 5 points are equal"):
            fit(np.ones((5, 2)), components)
        with pytest.raises(SERError, match="1 of 200 points are NaN or infinite"):
            fit(known, components)


@pytest.fixture
def three():
    """Points of three emotions with shapes of their own."""
    rng = np.random.default_rng(0)
    emotion_N = np.repeat([0, 1, 2], [20, 30, 7])
    scale_E3 = np.array([[1, 2, 3], [3, 1, 1], [1, 1, 1]])
    points_N3 = rng.normal(size=(57, 3)) * scale_E3[emotion_N]
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
    """Means 3 apart; variances 1 and 4 along the line between them, 1 across it.

    A third emotion is wide (variance 10), and a fourth has no utterance.
    """
    points_N2 = np.random.default_rng(1).normal(size=(300_000, 2))
    points_N2[100_000:200_000, 0] = 2 * points_N2[100_000:200_000, 0] + 3
    points_N2[200_000:] *= np.sqrt(10)
    found = distances(moments(points_N2, np.repeat([0, 1, 2], 100_000), 4))
    assert found["shared"][0, 1] == pytest.approx(3 / np.sqrt(5), rel=0.01)
    assert found["own"][0, 1] == pytest.approx(3 / np.sqrt(2.5), rel=0.01)
    for apart_EE in found.values():
        assert np.isfinite(apart_EE[:3, :3]).all() and np.isnan(apart_EE[:3, 3]).all()
    # 1/8 * 9 / 2.5 + 1/2 * ln(2.5 / sqrt(1 * 4))
    expected = 9 / 2.5 / 8 + np.log(2.5 / 2) / 2
    assert found["bhattacharyya"][0, 1] == pytest.approx(expected, rel=0.01)


def test_distances_are_symmetric_zero_to_itself_and_do_not_turn_with_the_space(three):
    points_N3, emotion_N = three
    plain = distances(moments(points_N3, emotion_N, 3))
    turned = distances(moments(points_N3 @ rotation(3) + 5, emotion_N, 3))
    for kind, apart_EE in plain.items():
        np.testing.assert_allclose(apart_EE, apart_EE.T, atol=1e-9)
        np.testing.assert_allclose(np.diag(apart_EE), 0, atol=1e-6)
        np.testing.assert_allclose(turned[kind], apart_EE, atol=1e-6)


def test_more_dimensions_than_clips_still_have_a_distance():
    """Fewer clips than dimensions, as in Emo-DB."""
    points_ND = np.random.default_rng(3).normal(size=(62, 200))
    points_ND[31:, 0] += 5
    apart = distances(moments(points_ND, np.repeat([0, 1], 31), 2))
    assert all(np.isfinite(apart_EE).all() for apart_EE in apart.values())


def test_a_speaker_drawn_twice_counts_twice(three):
    points_N3, emotion_N = three
    speaker_N = np.arange(57) % 3
    by_speaker = moments_by_speaker(points_N3, emotion_N, 3, speaker_N, 3)
    found = by_speaker.resampled(np.array([[2.0, 0, 1]]))
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

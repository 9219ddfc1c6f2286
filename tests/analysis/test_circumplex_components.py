"""Principal components: what is fitted on what, and errors."""

import numpy as np
import pytest

from ser_brain.analysis.circumplex.components import components_for, fit, keep_axes, reduce_sets
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


def test_a_training_set_is_fitted_on_and_not_tested():
    sets = {"b": a_set("b"), "a-train": a_set("a-train", role="train", seed=1)}
    found = reduce_sets(sets, "embedding", 2)
    assert list(found) == ["b"] and found["b"].fitted_on.name == "a-train"
    # ... unless there is nothing else.
    assert list(reduce_sets({"a": a_set("a", role="train")}, "embedding", 2)) == ["a"]


def test_a_set_with_other_parts_is_fitted_on_one_that_has_them():
    sets = {"a": a_set("a"), "b": a_set("b", parts=("fold 1", "fold 2"))}
    assert reduce_sets(sets, "embedding", 2)["b"].fitted_on.name == "b"


def test_the_fit_takes_the_test_sets_emotions_in_its_order():
    sets = {"test": a_set("test", FOUR), "train": a_set("train", SEVEN, role="train")}
    to_fit = reduce_sets(sets, "embedding", 2)["test"].fit_cloud("run")
    names = np.array(SEVEN)[sets["train"].clouds["run"].emotion_N]
    kept = names[np.isin(names, FOUR)]
    assert [FOUR[n] for n in to_fit.emotion_N] == kept.tolist()
    assert len(to_fit.ids) == len(to_fit.speakers) == len(to_fit.points_ND) == len(kept)


def test_valence_and_arousal_keep_their_axes():
    found = reduce_sets({"a": a_set("a", size=2)}, "va", 3)["a"]
    np.testing.assert_array_equal(found.points("run"), found.test.clouds["run"].points_ND)
    plane = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    np.testing.assert_allclose(keep_axes(plane).ratio_R, [0.2, 0.8])


@pytest.fixture
def known():
    """Variances 16, 9, 4, 1 along rotated axes, to the last digit."""
    normal_ND = np.random.default_rng(0).normal(size=(200, 4))
    whole_ND, _ = np.linalg.qr(normal_ND - normal_ND.mean(axis=0))
    return (whole_ND * np.array([4.0, 3.0, 2.0, 1.0])) @ rotation(4) + 10


def test_explained_variance_is_the_planted_one(known):
    found = fit(known, 2)
    np.testing.assert_allclose(found.ratio_R, np.array([16, 9, 4, 1]) / 30)
    assert components_for(found.ratio_R) == [2, 2, 3]
    assert found.share(known) == pytest.approx(25 / 30)


def test_projection_keeps_distances_within_the_components(known):
    projected = fit(known, 4).project(known)
    expected = np.linalg.norm(known[0] - known[1])
    assert np.linalg.norm(projected[0] - projected[1]) == pytest.approx(expected)
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-9)


def test_a_fit_on_one_set_is_applied_to_others(known):
    found = fit(known, 1)
    across = 10 + rotation(4)[3] * np.linspace(-5, 5, 11)[:, None]
    assert found.share(across) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(np.ptp(found.project(across)), 0, atol=1e-6)


def test_points_that_cannot_be_reduced(known):
    message = "^planted, run: Cannot fit 9 components: 80 points in 8 dimensions span only 8"
    with pytest.raises(SERError, match=message):
        reduce_sets({"planted": a_set()}, "embedding", 9)
    flat = np.column_stack([known[:, :2], known[:, 0] + known[:, 1]])
    with pytest.raises(SERError, match="span only 2. Use --components 2 or fewer"):
        fit(flat, 3)
    for reduce, size in ((lambda points_ND: fit(points_ND, 1), 3), (keep_axes, 2)):
        with pytest.raises(SERError, match="All 5 points are equal"):
            reduce(np.ones((5, size)))
    known[3, 1] = np.nan
    with pytest.raises(SERError, match="1 of 200 points are NaN or infinite"):
        fit(known, 2)

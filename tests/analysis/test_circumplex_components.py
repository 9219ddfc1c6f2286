"""."""

import numpy as np
import pytest

from ser_brain.analysis.circumplex import components
from ser_brain.analysis.circumplex.components import map_sets
from ser_brain.core.errors import SERError
from tests.analysis.planted import FOUR, SEVEN, circle, cloud, embedding_set, points, rotation


def a_set(name="planted", emotions=FOUR, role="test", parts=("run",), **options):
    clouds = {part: cloud(*points(circle(emotions), 5, 4, **options)) for part in parts}
    return embedding_set(clouds, emotions, name, role)


def test_the_first_set_is_fitted_on():
    sets = {"b": a_set("b"), "a": a_set("a", seed=1)}
    maps = map_sets(sets, "embedding", 3)
    assert maps["b"].same and not maps["a"].same
    assert maps["a"].fitted_on.name == "b"
    np.testing.assert_array_equal(
        maps["a"].reductions["run"].components_kD, maps["b"].reductions["run"].components_kD
    )
    assert maps["a"].reduced("run").shape == (80, 3)


def test_what_the_model_was_trained_on_is_fitted_on_and_not_judged():
    sets = {"b": a_set("b"), "a-train": a_set("a-train", role="train", seed=1)}
    maps = map_sets(sets, "embedding", 2)
    assert list(maps) == ["b"]
    assert maps["b"].fitted_on.name == "a-train"


def test_a_set_of_other_parts_is_fitted_on_one_that_has_them():
    sets = {"a": a_set("a"), "b": a_set("b", parts=("fold 1", "fold 2"))}
    assert map_sets(sets, "embedding", 2)["b"].fitted_on.name == "b"


def test_only_what_was_trained_on_is_judged_where_there_is_no_more():
    assert list(map_sets({"a": a_set("a", role="train")}, "embedding", 2)) == ["a"]


def test_the_fit_takes_the_judged_sets_emotions_in_its_order():
    sets = {"judged": a_set("judged", FOUR), "train": a_set("train", SEVEN, role="train")}
    found = map_sets(sets, "embedding", 2)["judged"]
    fitting = found.fitting("run")
    names = np.array(SEVEN)[sets["train"].clouds["run"].emotion_N]
    kept = names[np.isin(names, FOUR)]
    assert [FOUR[n] for n in fitting.emotion_N] == kept.tolist()
    assert len(fitting.ids) == len(fitting.speakers) == len(fitting.points_ND) == len(kept)


def test_valence_and_arousal_are_not_turned():
    found = map_sets({"a": a_set("a", size=2)}, "va", 3)["a"]
    np.testing.assert_array_equal(found.reduced("run"), found.judged.clouds["run"].points_ND)


def test_an_error_names_the_set_and_the_part():
    with pytest.raises(SERError, match="^planted, run: 9 components asked of 80 points in 8"):
        map_sets({"planted": a_set()}, "embedding", 9)


@pytest.fixture
def known():
    """Variances 16, 9, 4, 1 along turned axes, to the last digit."""
    rng = np.random.default_rng(0)
    normal_ND = rng.normal(size=(200, 4))
    whole_ND, _ = np.linalg.qr(normal_ND - normal_ND.mean(axis=0))
    return (whole_ND * np.array([4.0, 3.0, 2.0, 1.0])) @ rotation(4) + 10


def test_explained_variance_is_the_planted_one(known):
    found = components.fit(known, 2)
    np.testing.assert_allclose(found.ratio_R, np.array([16, 9, 4, 1]) / 30)
    assert components.components_for(found.ratio_R) == [2, 2, 3]
    assert found.share(known) == pytest.approx(25 / 30)


def test_projection_keeps_distances_within_the_components(known):
    found = components.fit(known, 4)
    projected = found.project(known)
    apart = np.linalg.norm(known[0] - known[1])
    assert np.linalg.norm(projected[0] - projected[1]) == pytest.approx(apart)
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-9)


def test_what_is_fitted_on_one_set_is_applied_to_others(known):
    found = components.fit(known, 1)
    across = 10 + rotation(4)[3] * np.linspace(-5, 5, 11)[:, None]
    assert found.share(across) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(np.ptp(found.project(across)), 0, atol=1e-6)


def test_too_many_components_name_what_there_is(known):
    with pytest.raises(SERError, match="5 components asked of 200 points in 4 dimensions"):
        components.fit(known, 5)
    flat = np.column_stack([known[:, :2], known[:, 0] + known[:, 1]])
    with pytest.raises(SERError, match="which span 2; give --components 2 or fewer"):
        components.fit(flat, 3)


def test_points_that_are_all_equal():
    with pytest.raises(SERError, match="All 5 points are equal"):
        components.fit(np.ones((5, 3)), 1)
    with pytest.raises(SERError, match="All 5 points are equal"):
        components.as_they_are(np.ones((5, 2)))


def test_points_that_are_not_finite(known):
    known[3, 1] = np.nan
    with pytest.raises(SERError, match="1 of 200 points are NaN or infinite"):
        components.fit(known, 2)


def test_a_plane_that_means_something_stays_as_it_is():
    plane = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    found = components.as_they_are(plane)
    np.testing.assert_array_equal(found.project(plane), plane)
    np.testing.assert_allclose(found.ratio_R, [0.2, 0.8])

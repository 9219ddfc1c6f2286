import numpy as np
import pytest

from ser_brain.circumplex.mapping import map_sets
from ser_brain.errors import SERError
from tests.circumplex.planted import FOUR, SEVEN, circle, cloud, embedding_set, points


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

"""."""

import numpy as np

from ser_brain.inference.app.plots import (
    affect_course,
    affect_point,
    course_picture,
    point_picture,
)
from tests.inference.made_result import EMOTIONS, made_result

SPANS_N2 = np.array([[0, 4], [2, 6], [10, 14]], dtype=float)


def svg(stem):
    return stem.with_suffix(".svg").read_text()


def test_the_point_stands_among_the_words_on_the_models_scale(tmp_path):
    affect_point(tmp_path / "a", np.array([[0.5, -0.5]]), (1, 5), "A clip", "said so")
    drawn = svg(tmp_path / "a")
    for words in ("excited", "sleepy", "Valence", "Arousal", "A clip", "said so"):
        assert f"<!-- {words} -->" in drawn
    for tick in ("1", "3", "5"):
        assert drawn.count(f"<!-- {tick} -->") >= 1
    assert tmp_path.joinpath("a.png").stat().st_size > 10_000


def test_a_point_in_the_middle_has_no_direction(tmp_path):
    with np.errstate(all="raise"):
        affect_point(tmp_path / "a", np.zeros((2, 2)), (-1, 1), "Two", "")
    assert tmp_path.joinpath("a.svg").exists()


def test_the_course_has_a_panel_for_what_there_is(tmp_path):
    probs_NC = np.full((3, 4), 0.25)
    values = {"Valence": np.full(3, 7.0), "Arousal": np.full(3, 2.0)}
    words = "Over time", "said so"
    affect_course(tmp_path / "all", SPANS_N2, 14, probs_NC, EMOTIONS, values, (1, 5), *words)
    affect_course(tmp_path / "classes", SPANS_N2, 14, probs_NC, EMOTIONS, {}, None, *words)
    affect_course(tmp_path / "values", SPANS_N2, 14, None, [], values, (1, 5), *words)
    both, classes, alone = (svg(tmp_path / name) for name in ("all", "classes", "values"))
    assert "<!-- Valence -->" in both and "<!-- happiness -->" in both
    assert "<!-- Valence -->" not in classes and "<!-- happiness -->" in classes
    assert "<!-- Valence -->" in alone and "<!-- happiness -->" not in alone
    assert "<!-- 0:10 -->" in both and "<!-- Time in the recording (min:s) -->" in both


def test_pictures_are_told_in_words():
    point, course = point_picture(made_result(4)), course_picture(made_result(4))
    assert "valence 4.00, arousal 4.50; nearest words: excited" in point.alt
    assert point.caption.startswith("Cross: mean. Dots: windows")
    assert course.alt.startswith("Probabilities, valence, arousal over 16 s, in 4 windows.")
    assert "Grey: no score" in course.caption
    assert "Grey" not in course_picture(made_result(2)).caption


def test_one_window_has_no_course():
    assert course_picture(made_result(1)) is None
    assert point_picture(made_result(1, va_range=None)) is None

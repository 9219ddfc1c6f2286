"""Figures of a scored recording."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from ser_brain.inference.app.plots import course_figure, plane_figure
from tests.inference.made_result import made_result


def svg(figure):
    return base64.b64decode(figure.source.partition(",")[2]).decode()


def has(figure, *words):
    return [f"<!-- {word} -->" in svg(figure) for word in words]


def test_the_plane_has_russells_words_and_the_models_scale():
    figure = plane_figure(made_result(4))
    words = "excited", "sleepy", "Valence", "Arousal", "Predicted valence and arousal"
    assert all(has(figure, *words, "1", "3", "5"))
    assert "valence 4.00, arousal 4.50; nearest words: excited" in figure.alt
    assert figure.caption.startswith("Cross: mean. Dots: windows")
    assert plane_figure(made_result(1, va_range=None)) is None


def test_a_point_in_the_middle_has_no_direction():
    made = made_result()
    middle = replace(made, rows=[{**made.rows[0], "valence": 3.0, "arousal": 3.0}])
    with np.errstate(all="raise"):
        assert "in the middle of the circle" in plane_figure(middle).alt


@pytest.mark.parametrize(
    "options, classes, values",
    [({}, True, True), ({"va_range": None}, True, False), ({"emotions": []}, False, True)],
)
def test_the_course_has_a_panel_for_each_prediction(options, classes, values):
    figure = course_figure(made_result(4, **options))
    assert has(figure, "happiness", "Valence", "Arousal") == [classes, values, values]
    assert all(has(figure, "0:10", "Time in the recording (min:s)"))


def test_the_course_in_words():
    course = course_figure(made_result(4))
    assert course.alt.startswith("Probabilities, valence, arousal over 16 s, in 4 windows.")
    assert "Grey: no score" in course.caption
    assert "Grey" not in course_figure(made_result(2)).caption
    assert course_figure(made_result(1)) is None

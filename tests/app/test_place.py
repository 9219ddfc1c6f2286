import numpy as np
import pytest

from ser_brain.app.place import nearest_words, on_plane
from ser_brain.mood.words import WORD_ANGLE_DEG


def test_the_scale_becomes_the_circle():
    values_N2 = np.array([[1.0, 5.0], [3.0, 4.0]])
    assert on_plane(values_N2, (1, 5)).tolist() == [[-1, 1], [0, 0.5]]


@pytest.mark.parametrize("word", WORD_ANGLE_DEG)
@pytest.mark.parametrize("radius", [0.2, 1.3])
def test_in_its_own_direction_a_word_is_nearest(word, radius):
    angle = np.radians(WORD_ANGLE_DEG[word])
    assert nearest_words(radius * np.cos(angle), radius * np.sin(angle))[0] == word


def test_the_circle_closes():
    """Pleased (353.2) and happy (7.8) are neighbours."""
    assert set(nearest_words(1.0, 0.0, count=2)) == {"pleased", "happy"}


def test_in_the_middle_there_is_no_word():
    assert nearest_words(0.0, 0.0) == []

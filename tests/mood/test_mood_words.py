import numpy as np
import pytest

from ser_brain.labels import RUSSELL_ANGLE_DEG
from ser_brain.mood.words import WORD_ANGLE_DEG, spread


def test_the_words_are_those_of_the_labels():
    same = {
        "happiness": "happy",
        "excitement": "excited",
        "surprise": "astonished",
        "anger": "angry",
        "fear": "afraid",
        "frustration": "frustrated",
        "sadness": "sad",
        "boredom": "bored",
        "calm": "calm",
    }
    assert len(WORD_ANGLE_DEG) == 28
    assert {e: WORD_ANGLE_DEG[same[e]] for e in RUSSELL_ANGLE_DEG} == RUSSELL_ANGLE_DEG
    angles = list(WORD_ANGLE_DEG.values())
    assert angles == sorted(angles)


def test_labels_keep_their_distance_and_else_their_place():
    heights = np.sort(np.random.default_rng(0).uniform(-1, 1, 14))
    moved = spread(heights, 0.1)
    assert np.diff(moved).min() == pytest.approx(0.1)
    assert moved.mean() == pytest.approx(heights.mean())
    assert spread([0.0, 1.0, 2.0], 0.5) == pytest.approx([0, 1, 2])

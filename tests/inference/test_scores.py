"""Scores by name."""

import json

import numpy as np
import pytest

from ser_brain.inference.scores import Scores

EMOTIONS = ["anger", "sadness", "neutral"]


def test_scores_have_names():
    scores = Scores(
        np.log(np.array([0.2, 0.7, 0.1], "float32")), np.array([1.5, 4.0], "float32"), None
    )
    row = scores.named(EMOTIONS, (1.0, 5.0))
    assert row["emotion"] == "sadness"
    assert row["probabilities"] == pytest.approx({"anger": 0.2, "sadness": 0.7, "neutral": 0.1})
    assert (row["valence"], row["arousal"], row["va_range"]) == (1.5, 4.0, [1.0, 5.0])
    json.dumps(row)


def test_what_a_model_does_not_say_is_none():
    row = Scores(None, None, np.zeros(2)).named([], None)
    assert set(row.values()) == {None}
    assert row.keys() == {"emotion", "probabilities", "valence", "arousal", "va_range"}

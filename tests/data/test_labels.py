"""The vocabulary of labels."""

import math

import pytest

from ser_brain.core.errors import SERError
from ser_brain.data import labels
from ser_brain.data.labels import WORD_ANGLE_DEG


def test_the_words_go_round_the_circle():
    angles = list(WORD_ANGLE_DEG.values())
    assert angles == sorted(angles) and len(angles) == 28


def test_every_emotion_has_a_place_on_the_circumplex_or_none():
    angles = labels.RUSSELL_ANGLE_DEG | labels.ASSIGNED_ANGLE_DEG
    assert set(angles) <= set(labels.EMOTIONS)
    assert set(labels.EMOTIONS) - set(angles) == {"neutral", "other"}


@pytest.mark.parametrize(
    ("emotion", "valence", "arousal"),
    [  # Russell (1980), figure 2: cosine and sine of the angle
        ("happiness", 0.991, 0.136),
        ("anger", -0.156, 0.988),
        ("fear", -0.438, 0.899),
        ("sadness", -0.887, -0.462),
        ("calm", 0.722, -0.692),
        ("neutral", 0.0, 0.0),
    ],
)
def test_prototype(emotion, valence, arousal):
    point = labels.prototype(emotion)
    assert point["valence"] == pytest.approx(valence, abs=1e-3)
    assert point["arousal"] == pytest.approx(arousal, abs=1e-3)


def test_other_and_a_corpuss_own_class_have_no_place():
    assert labels.prototype("other") is None
    assert labels.prototype("interest") is None


@pytest.mark.parametrize("name", ["two words", "", "none", "-", 3])
def test_an_own_class_is_a_name(name):
    assert labels.require_own_emotions(["Mitgefühl", "self-doubt"], "x")[0] == "Mitgefühl"
    with pytest.raises(SERError, match="Bad class .* in x; expected a name of letters"):
        labels.require_own_emotions(["interest", name], "x")


@pytest.mark.parametrize("scale", [(-9, -8.9), (0, 1), (1, 7), (5, 1)])
def test_rescale_and_back(scale):
    for value in (-5, -0.3, 0, 5):
        there = labels.rescale(value, (-5, 5), scale)
        assert min(scale) <= there <= max(scale)
        assert labels.rescale(there, scale, (-5, 5)) == pytest.approx(value)
    assert labels.rescale(2, (1, 5), (-1, 1)) == -0.5


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ({}, None),
        ({"anger": 1}, "anger"),
        ({"anger": 2, "fear": 3}, "fear"),
        ({"anger": 2, "fear": 2, "calm": 1}, None),
    ],
)
def test_majority(votes, expected):
    assert labels.majority(votes) == expected


def test_map_emotion():
    assert labels.map_emotion("excitement", {"excitement": "happiness"}) == "happiness"
    assert labels.map_emotion("anger", {"excitement": "happiness"}) == "anger"
    assert labels.map_emotion(None, {"excitement": "happiness"}) is None


def test_annotation_keeps_what_is_given_and_nothing_else():
    assert labels.annotation("anger", "A") == {"emotion": "anger", "raw": "A"}
    full = labels.annotation(
        None, "A:N", intensity="low", votes={"anger": 1}, vad={"valence": None}, level=3
    )
    assert full == {
        "emotion": None,
        "raw": "A:N",
        "intensity": "low",
        "votes": {"anger": 1},
        "vad": {"valence": None},
        "level": 3,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vad": {"activation": 1}}, "Bad dimension 'activation'"),
    ],
)
def test_annotation_refuses_other_names(arguments, message):
    with pytest.raises(SERError, match=message):
        labels.annotation(**arguments)


def test_require_in_scale():
    assert labels.require_in_scale(5, (1, 5), "valence") == 5
    for value in (0.99, 5.01, math.nan, math.inf):
        with pytest.raises(SERError, match="valence of x is .*, outside the scale 1 to 5"):
            labels.require_in_scale(value, (1, 5), "valence of x")

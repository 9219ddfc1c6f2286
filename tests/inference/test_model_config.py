"""config.json of a model folder."""

import json

import pytest

from ser_brain.core.errors import SERError
from ser_brain.inference.model_config import parse_config
from ser_brain.inference.transformers_layout import published_config
from tests.inference.tiny_models import model_and_config


@pytest.fixture(scope="module")
def content():
    _, config = model_and_config()
    return json.dumps(published_config(config))


def changed(content, **changes):
    found = json.loads(content)
    found["ser_brain"].update(changes)
    return found


def test_what_is_written_is_read(content):
    _, config = model_and_config()
    assert parse_config(json.loads(content)) == config


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"format": 2}, "Bad format"),
        ({"emotions": ["anger", "anger"]}, "has repeats"),
        ({"emotions": "anger"}, "Bad emotions"),
        ({"emotions": ["x"] * 100}, "Bad emotions"),
        ({"va_range": [5, 1]}, "expected the lower end first"),
        ({"va_range": [1, float("inf")]}, "Bad va_range"),
        ({"emotions": [], "va_range": None}, "neither emotions nor"),
        ({"sample_rate_hz": 8000}, "Bad sample_rate_hz"),
        ({"resampler": "scipy"}, "Bad resampler"),
        ({"card": []}, "Bad card"),
        ({"card": {"training_data": []}}, "Bad training_data in model's card"),
        ({"card": {"training_data": {"corpora": []}}}, "Bad corpora in model's card"),
        ({"card": {"training_data": {"corpora": {"a": 3}}}}, "Bad corpus in model's card"),
        (
            {"card": {"training_data": {"corpora": {"a": {"languages": 3}}}}},
            "Bad languages in model's card",
        ),
        ({"weights": "../../../etc/passwd"}, "unknown key 'weights'"),
        ({"encoder": None}, "Bad family"),
    ],
)
def test_what_is_out_of_bounds_is_refused(content, changes, message):
    with pytest.raises(SERError, match=message):
        parse_config(changed(content, **changes))


def test_a_base_encoder_is_no_model():
    with pytest.raises(SERError, match="`ser export` did not write this model"):
        parse_config({"model_type": "wav2vec2"})


def test_loaders_may_not_be_told_different_classes(content):
    with pytest.raises(SERError, match="contradicts itself"):
        parse_config(changed(content, emotions=["neutral", "sadness", "anger"]))

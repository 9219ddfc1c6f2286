"""README.md of a model folder."""

from dataclasses import replace

from ser_brain.inference.readme import readme
from tests.inference.tiny_models import model_and_config


def test_it_says_how_the_model_is_loaded():
    _, config = model_and_config()
    text = readme(replace(config, card={"protocol": "tiny/speaker", "temperature": 1.5}))
    for said in (
        "# tiny wav2vec2-base",
        "Emotions of speech (anger, sadness, neutral) and valence and arousal (from 1 to 5)",
        "Protocol: `tiny/speaker`",
        "EmotionRecognizer.from_pretrained",
        "foreign_class",
        'pipeline("audio-classification", "DIR")',
        "temperature 1.500",
    ):
        assert said in text, said


def test_what_a_model_cannot_do_is_said():
    _, config = model_and_config("whisper", emotions=[])
    text = readme(config)
    assert "Valence and arousal (from 1 to 5), by whisper" in text
    assert "Not for plain transformers: its Whisper classifier pads" in text
    assert "not calibrated" in text
    assert "classify_file" not in text

"""``README.md`` of a model folder: what the model is and how it is loaded."""

from __future__ import annotations

from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.transformers_layout import why_not

TEXT = """# {name}

{task}, by {encoder} fine-tuned with SER Recipes.
Protocol: `{protocol}`.

## Use

```python
from ser_brain import EmotionRecognizer

recognizer = EmotionRecognizer.from_pretrained("DIR")  # runs no code of this folder
recognizer.predict("clip.wav")
```

```python
from speechbrain.inference.interfaces import foreign_class  # runs custom_interface.py

classifier = foreign_class(
    "DIR", pymodule_file="custom_interface.py", classname="EmotionInterface"
)
{speechbrain}
```

{transformers}

Audio is averaged to mono and resampled to {rate_hz} Hz by `{resampler}`.
{temperature}
"""
PLAIN = """```python
from transformers import pipeline  # emotions only; one clip at a time

pipeline("audio-classification", "DIR")("clip.wav")
```"""


def readme(config: ModelConfig) -> str:
    """The text of ``README.md``."""
    reason = why_not(config)
    temperature = config.card.get("temperature")
    return TEXT.format(
        name=config.name,
        task=_task(config),
        encoder=config.encoder.get("name", "a compact encoder"),
        protocol=config.card.get("protocol"),
        speechbrain=(
            'probabilities, highest, index, emotion = classifier.classify_file("clip.wav")'
            if config.emotions
            else 'classifier(classifier.load_file("clip.wav"))["valence_arousal"]'
        ),
        transformers=PLAIN if reason is None else f"Not for plain transformers: {reason}.",
        rate_hz=config.sample_rate_hz,
        resampler=config.resampler,
        temperature=(
            "Probabilities are not calibrated: the run has no temperature."
            if temperature is None
            else f"Probabilities are calibrated: temperature {temperature:.3f}, fitted on "
            "validation data, is part of the weights."
        ),
    )


def _task(config: ModelConfig) -> str:
    tasks = []
    if config.emotions:
        tasks.append(f"Emotions of speech ({', '.join(config.emotions)})")
    if config.va_range is not None:
        low, high = config.va_range
        tasks.append(f"valence and arousal (from {low:g} to {high:g})")
    text = " and ".join(tasks)
    return text[0].upper() + text[1:]

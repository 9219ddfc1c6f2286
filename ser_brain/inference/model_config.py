"""``config.json`` of a model folder: everything but the weights.

The block ``ser_brain`` is what this package reads, and all it reads. What stands beside it is
there for plain ``transformers`` (see :mod:`ser_brain.inference.transformers_layout`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from ser_brain.core.errors import SERError
from ser_brain.core.schema import ANY, Bound, check, list_of, nullable, number, one_of, text
from ser_brain.data.resampling import RESAMPLER
from ser_brain.inference.architecture import check_encoder
from ser_brain.models.encoders import Encoder

BLOCK = "ser_brain"
FORMAT = 1
AN_OBJECT = Bound(lambda value: isinstance(value, dict), "a JSON object")
BOUNDS = {
    "format": one_of(FORMAT),
    "name": text(200),
    "encoder": ANY,  # by check_encoder
    "emotions": list_of(text(64), 0, 64),
    "va_range": nullable(list_of(number(-1e6, 1e6), 2, 2)),
    "sample_rate_hz": one_of(Encoder.sample_rate_hz),
    "resampler": one_of(RESAMPLER),
    "card": AN_OBJECT,
}

# Of the card, what is shown to who uses the model.
SHOWN = {"title": text(1000), "languages": nullable(list_of(text(64), 0, 200))}


@dataclass(frozen=True)
class ModelConfig:
    """What a model is made of and what is known of it.

    Attributes
    ----------
    name : str
        For reports.
    encoder : dict
        See :func:`ser_brain.inference.architecture.describe_encoder`.
    emotions : list of str
        Classes, in the order of the outputs; empty where there is no emotion head.
    va_range : list of float or None
        Scale of valence and arousal; None where there is no such head.
    card : dict
        ``protocol``, ``temperature``, ``training_data``, ``versions`` ... Nothing is computed
        from it.
    """

    name: str
    encoder: dict
    emotions: list[str]
    va_range: list[float] | None
    card: dict
    sample_rate_hz: int = Encoder.sample_rate_hz
    resampler: str = RESAMPLER
    format: int = field(default=FORMAT)

    def as_block(self) -> dict:
        """The block ``ser_brain`` of ``config.json``."""
        return asdict(self)


def parse_config(content: dict) -> ModelConfig:
    """Check an untrusted ``config.json``.

    Raises
    ------
    SERError
        Naming the first value that is missing, unknown or out of bounds.
    """
    if BLOCK not in content:
        raise SERError(
            f"config.json has no block {BLOCK!r}: this is no model of `ser export`. "
            "A base encoder has to be trained first."
        )
    block = content[BLOCK]
    check(block, BOUNDS, "model's configuration")
    check_encoder(block["encoder"])
    _check_card(block["card"])
    emotions, va_range = block["emotions"], block["va_range"]
    if len(set(emotions)) < len(emotions):
        raise SERError(f"Bad emotions in the model's configuration: {emotions} has repeats.")
    if va_range is not None and not va_range[0] < va_range[1]:
        raise SERError(f"Bad va_range in the model's configuration: {va_range} is no range.")
    if not emotions and va_range is None:
        raise SERError("The model's configuration names neither emotions nor a va_range.")
    _require_same_classes(content, emotions)
    return ModelConfig(**block)


def _check_card(card: dict) -> None:
    data = card.get("training_data", {})
    check({"training_data": data}, {"training_data": AN_OBJECT}, "model's card")
    corpora = data.get("corpora", {})
    check({"corpora": corpora}, {"corpora": AN_OBJECT}, "model's card")
    for corpus in corpora.values():
        check({"corpus": corpus}, {"corpus": AN_OBJECT}, "model's card")
        shown = {key: corpus[key] for key in SHOWN if key in corpus}
        check(shown, SHOWN, "model's card", optional=SHOWN)


def _require_same_classes(content: dict, emotions: list[str]) -> None:
    """Other libraries read ``id2label``; a model that says two things is no model."""
    labels = content.get("id2label")
    if labels is not None and labels != {str(i): name for i, name in enumerate(emotions)}:
        raise SERError(
            "config.json contradicts itself: id2label is not the list of emotions in the "
            f"block {BLOCK!r}."
        )

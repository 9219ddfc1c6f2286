"""``config.json`` of a model folder: everything but the weights.

This package reads only the block ``ser_brain``. The keys beside it are for plain
``transformers`` (see :mod:`ser_brain.inference.transformers_layout`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from ser_brain.core.errors import SERError
from ser_brain.core.schema import ANY, Bound, check, list_of, nullable, number, one_of, text
from ser_brain.data.audio import RESAMPLER
from ser_brain.data.labels import SOME_DIMENSIONS, VALENCE_AROUSAL, are_dimensions, stated
from ser_brain.inference.architecture import check_encoder
from ser_brain.models.encoders import Encoder
from ser_brain.models.pooling import POOLINGS
from ser_brain.models.spectrum import SPECTRA

BLOCK = "ser_brain"
FORMAT = 1
AN_OBJECT = Bound(lambda value: isinstance(value, dict), "a JSON object")
BOUNDS = {
    "format": one_of(FORMAT),
    "name": text(200),
    "encoder": ANY,  # check_encoder knows its bounds
    "emotions": list_of(text(64), 0, 64),
    "va_range": nullable(list_of(number(-1e6, 1e6), 2, 2)),
    "dimensions": Bound(are_dimensions, SOME_DIMENSIONS),
    "pooling": one_of(*POOLINGS),
    "spectrum": one_of(*SPECTRA),
    "sample_rate_hz": one_of(Encoder.sample_rate_hz),
    "resampler": one_of(RESAMPLER),
    "card": AN_OBJECT,
}

# Of a corpus in the card, what the app shows.
SHOWN = {"title": text(1000), "languages": nullable(list_of(text(64), 0, 200))}


@dataclass(frozen=True)
class ModelConfig:
    """What a model consists of and what is known about it.

    Attributes
    ----------
    name : str
        For reports.
    encoder : dict
        See :func:`ser_brain.inference.architecture.describe_encoder`.
    emotions : list of str
        Classes, in the order of the outputs; empty if there is no emotion head.
    va_range : list of float or None
        Scale of the dimensions; None if there is no such head.
    card : dict
        ``protocol``, ``temperature``, ``training_data``, ``versions`` ... Nothing is computed
        from it.
    pooling, spectrum
        See :class:`ser_brain.models.pooling.Pooling`.
    dimensions : sequence of str
        What that head predicts, in the order of its outputs.
    """

    name: str
    encoder: dict
    emotions: list[str]
    va_range: list[float] | None
    card: dict
    pooling: str = "mean"
    spectrum: str | None = None
    sample_rate_hz: int = Encoder.sample_rate_hz
    resampler: str = RESAMPLER
    format: int = field(default=FORMAT)
    dimensions: Sequence[str] = VALENCE_AROUSAL

    def as_block(self) -> dict:
        """The block ``ser_brain`` of ``config.json``."""
        block = asdict(self)
        if self.pooling == "mean":  # the only one that earlier versions know
            del block["pooling"]
        if self.spectrum is None:
            del block["spectrum"]
        del block["dimensions"]
        return block | stated(self.dimensions)


def parse_config(content: dict) -> ModelConfig:
    """Check an untrusted ``config.json``.

    Raises
    ------
    SERError
        Naming the first value that is missing, unknown or out of bounds.
    """
    if BLOCK not in content:
        raise SERError(
            f"config.json has no block {BLOCK!r}, so `ser export` did not write this model. "
            "A base encoder has to be trained first."
        )
    block = content[BLOCK]
    optional = ["pooling", "spectrum", "dimensions"]
    check(block, BOUNDS, "model's configuration", optional=optional)
    check_encoder(block["encoder"])
    _check_card(block["card"])
    emotions, va_range = block["emotions"], block["va_range"]
    if len(set(emotions)) < len(emotions):
        raise SERError(f"Bad emotions in the model's configuration: {emotions} has repeats.")
    if va_range is not None and not va_range[0] < va_range[1]:
        raise SERError(
            f"Bad va_range in the model's configuration: found {va_range}, expected the lower "
            "end first."
        )
    if not emotions and va_range is None:
        raise SERError("The model's configuration names neither emotions nor a va_range.")
    # Other libraries read id2label, and would otherwise name the classes differently.
    labels = content.get("id2label")
    if labels is not None and labels != {str(i): name for i, name in enumerate(emotions)}:
        raise SERError(
            "config.json contradicts itself: id2label is not the list of emotions in the "
            f"block {BLOCK!r}."
        )
    return ModelConfig(**block)


def _check_card(card: dict) -> None:
    where = "model's card"
    data = card.get("training_data", {})
    check({"training_data": data}, {"training_data": AN_OBJECT}, where)
    corpora = data.get("corpora", {})
    check({"corpora": corpora}, {"corpora": AN_OBJECT}, where)
    for corpus in corpora.values():
        check({"corpus": corpus}, {"corpus": AN_OBJECT}, where)
        shown = {key: corpus[key] for key in SHOWN if key in corpus}
        check(shown, SHOWN, where, optional=SHOWN)

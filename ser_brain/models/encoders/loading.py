"""Build an encoder from a name, a hub id or a folder.

A new kind of encoder is one class and one line in ``FAMILIES``.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

from ser_brain.core.errors import SERError, bad_value
from ser_brain.models.encoders.base import Encoder
from ser_brain.models.encoders.compact import CompactEncoder
from ser_brain.models.encoders.egemaps import EGeMAPS
from ser_brain.models.encoders.functionals import Functionals
from ser_brain.models.encoders.lora import add_lora
from ser_brain.models.encoders.pretrained import Checkpoint, read_weights
from ser_brain.models.encoders.wav2vec2 import (
    Data2VecAudioEncoder,
    Wav2Vec2Encoder,
    WavLMEncoder,
)
from ser_brain.models.encoders.whisper import WhisperEncoder

# Family: "model_type" in a checkpoint's config.json, or a name of our own.
FAMILIES = {
    "compact": CompactEncoder,
    "functionals": Functionals,
    "egemaps": EGeMAPS,
    "wav2vec2": Wav2Vec2Encoder,  # and XLS-R
    "hubert": Wav2Vec2Encoder,
    "wavlm": WavLMEncoder,
    "data2vec-audio": Data2VecAudioEncoder,
    "whisper": WhisperEncoder,
}
OWN = ("compact", "functionals", "egemaps")  # built from no checkpoint
ATTENTION = "attention_dropout"


def load_encoder(
    source: str | Path,
    freeze: str = "cnn",
    layer: str | int | Sequence[int] = "last",
    pretrained: bool = True,
    revision: str | None = None,
    dropouts: dict[str, float] | None = None,
    lora: dict | None = None,
    **options,
) -> Encoder:
    """Build an encoder and load its weights.

    Parameters
    ----------
    source : str or pathlib.Path
        ``"compact"`` (trained from scratch), ``"functionals"`` or ``"egemaps"`` (nothing to
        train), a local folder, or a hub id. Files in the hub's cache are used without
        asking the hub.
    freeze : {"cnn", "all", "none"}
        What is not trained; see ``Encoder``.
    layer : "last", "mix", "all", int or list of int
        Which hidden states are used; see ``TransformerEncoder``.
    pretrained : bool
        False builds the architecture of the checkpoint with random weights.
    revision : str or None
        Branch, tag or commit of a hub id.
    dropouts : dict or None
        Dropout probabilities that differ from the checkpoint's, by their keys in its
        config.json. ``{"attention_dropout": 0.0}`` lets a faster kernel run.
    lora: dict or None
        Arguments of ``add_lora`` in ``ser_brain/models/encoders/lora.py``, whose updates are
        then all that is trained.
    **options
        Further arguments of the encoder's class: ``normalize`` (wav2vec 2.0 and
        relatives; taken from the checkpoint's preprocessor_config.json by default),
        ``channels``, ``dilations``, ``dropout`` (compact).

    Raises
    ------
    SERError
        If the source does not exist or cannot be reached, is of an unknown family, or its
        weights do not fit.

    Examples
    --------
    >>> load_encoder("compact", channels=64).dim
    64
    """
    if str(source) in OWN:
        # They have neither revision nor dropouts. These are an error, so that no setting is
        # ignored silently; but no attention dropout is what an encoder without attention has.
        asked = {k: p for k, p in (dropouts or {}).items() if (k, p) != (ATTENTION, 0)}
        extra = {"revision": revision, "dropouts": asked}
        options.update({key: value for key, value in extra.items() if value})
        encoder = _make(FAMILIES[str(source)], {"freeze": freeze, "layer": layer, **options})
        return _adapted(encoder, lora)
    checkpoint = Checkpoint(str(source), revision)
    config = _known_config(checkpoint, source)
    made = FAMILIES[config["model_type"]]
    for name in dropouts or {}:
        if name not in made.dropouts:
            raise bad_value("dropout of the encoder", name, made.dropouts)
    config = {**config, **(dropouts or {})}
    if issubclass(made, Wav2Vec2Encoder) and options.get("normalize") is None:
        options["normalize"] = _normalize(checkpoint)
    arguments = {"freeze": freeze, "layer": layer, "config": config, **options}
    if pretrained:
        arguments["weights"] = read_weights(checkpoint.weight_files())
    return _adapted(_make(made, {"name": checkpoint.name, **arguments}), lora)


def require_encoder(source: str | Path, revision: str | None = None) -> None:
    """Stop at a source that :func:`load_encoder` would refuse; its weights are not read.

    Raises
    ------
    SERError
        If it does not exist or cannot be reached, or is of an unknown family.
    """
    if str(source) not in OWN:
        _known_config(Checkpoint(str(source), revision), source)


def _known_config(checkpoint: Checkpoint, source: str | Path) -> dict:
    config = checkpoint.config()
    family, known = config.get("model_type"), [name for name in FAMILIES if name not in OWN]
    if family not in known:
        raise bad_value(f"model_type of the encoder {source}", family, known)
    return config


def _adapted(encoder: Encoder, lora: dict | None) -> Encoder:
    if lora is not None:
        add_lora(encoder, **lora)
    return encoder


def build_encoder(settings: dict) -> Encoder:
    """Build the encoder that ``Encoder.settings`` describes, with random weights.

    This reloads a trained model without the hub or the base checkpoint: its state dict then
    replaces the weights.

    Examples
    --------
    >>> first = load_encoder("compact", channels=64)
    >>> again = build_encoder(first.settings())
    >>> str(again.load_state_dict(first.state_dict()))
    '<All keys matched successfully>'
    """
    arguments = dict(settings)
    family = arguments.pop("family", None)
    if family not in FAMILIES:
        raise bad_value("encoder family", family, FAMILIES)
    return _make(FAMILIES[family], arguments)


def _make(made: type[Encoder], arguments: dict) -> Encoder:
    names = list(inspect.signature(made).parameters)
    for name in arguments:
        if name not in names:
            raise bad_value(f"option of {made.__name__}", name, names)
    return made(**arguments)


def _normalize(checkpoint: Checkpoint) -> bool:
    preprocessor = checkpoint.preprocessor()
    if preprocessor is None or "do_normalize" not in preprocessor:
        raise SERError(
            f"{checkpoint.source} has no do_normalize in a preprocessor_config.json, so it is "
            "unknown whether it was trained on clips of zero mean and unit variance. Add that "
            "file, or give normalize=True or False."
        )
    return bool(preprocessor["do_normalize"])

"""The model folder as plain ``transformers`` reads it, for the wav2vec 2.0 family.

``Wav2Vec2ForSequenceClassification`` and its relatives consist of an encoder, a projection of
every frame, a mean over time and a classifier. With the identity as projection they are our
model, so the folder stores our weights under their names. Such a class has no valence,
arousal and dominance; it ignores the weights of that head.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import torch
from torch import Tensor

from ser_brain.core.errors import SERError
from ser_brain.inference.model_config import ModelConfig

# Family: (name of the encoder inside, class).
CLASSES = {
    "wav2vec2": ("wav2vec2", "Wav2Vec2ForSequenceClassification"),
    "hubert": ("hubert", "HubertForSequenceClassification"),
    "wavlm": ("wavlm", "WavLMForSequenceClassification"),
    "data2vec-audio": ("data2vec_audio", "Data2VecAudioForSequenceClassification"),
}
PROJECTOR, PROJECTOR_BIAS = "projector.weight", "projector.bias"


def why_not(config: ModelConfig) -> str | None:
    """Why plain ``transformers`` cannot express a model; None if it can."""
    family, layer = config.encoder["family"], config.encoder.get("layer")
    if family not in CLASSES:
        if family == "whisper":
            return (
                "its Whisper classifier pads every clip to 30 s of silence, attends to all of "
                "it, and so gives other numbers"
            )
        return f"it has no class for the {family} encoder"
    if not config.emotions:
        return "its classes classify, and this model has no emotion head"
    if config.pooling != "mean":
        return f"its classes average frames, and this model's pooling is {config.pooling}"
    if config.spectrum is not None:
        return "its classes read an encoder alone, and this model a spectrum beside it"
    if layer == "all" or isinstance(layer, list):
        return "its classes read one layer or mix them, and this model reads several"
    if config.encoder["config"].get("do_stable_layer_norm", False) and layer != "last":
        return (
            "this encoder ends in a norm, which its class applies to every layer that is read "
            "and leaves out when it mixes layers; this model does neither"
        )
    return None


def published_config(config: ModelConfig) -> dict:
    """``config.json``: our block, and beside it the keys that plain ``transformers`` reads."""
    if why_not(config) is not None:
        return {"model_type": "ser_brain", "ser_brain": config.as_block()}
    family, layer = config.encoder["family"], config.encoder["layer"]
    architecture = config.encoder["config"]
    named = list(enumerate(config.emotions))
    depth = architecture["num_hidden_layers"] if layer in ("last", "mix") else layer
    return {
        "model_type": family,
        "architectures": [CLASSES[family][1]],
        **architecture,
        "num_hidden_layers": depth,
        "use_weighted_layer_sum": layer == "mix",
        "classifier_proj_size": architecture["hidden_size"],
        "id2label": {str(number): name for number, name in named},
        "label2id": {name: number for number, name in named},
        # Without masking in training the class has no vector for masked frames.
        "apply_spec_augment": False,
        "mask_time_prob": 0.0,
        "mask_feature_prob": 0.0,
        "dtype": "float32",
        "transformers_version": version("transformers"),
        "ser_brain": config.as_block(),
    }


def preprocessor_config(config: ModelConfig) -> dict:
    """``preprocessor_config.json``: what plain ``transformers`` does to a waveform first."""
    return {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": config.sample_rate_hz,
        "do_normalize": config.encoder.get("normalize", False),
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": True,
    }


def prefixes(config: ModelConfig) -> dict[str, str]:
    """How names in :class:`EmotionModel` begin -> in the file, if they differ there."""
    if why_not(config) is not None:
        return {}
    inside, _ = CLASSES[config.encoder["family"]]
    return {
        "encoder.layer_logits": "layer_weights",
        "encoder.": f"{inside}.",
        "emotion_head.linear.": "classifier.",
    }


def stored_name(name: str, config: ModelConfig) -> str:
    """What ``model.safetensors`` calls a tensor of :class:`EmotionModel`."""
    for ours, theirs in prefixes(config).items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def projector_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the projection, which our model does not have."""
    if not prefixes(config):
        return {}
    size = config.encoder["config"]["hidden_size"]
    return {PROJECTOR: (size, size), PROJECTOR_BIAS: (size,)}


def projector(config: ModelConfig) -> dict[str, Tensor]:
    """The projection: the identity."""
    made = {1: torch.zeros, 2: lambda size: torch.eye(size[0])}
    return {name: made[len(size)](size) for name, size in projector_shapes(config).items()}


def require_identity(weights: Mapping[str, Tensor], config: ModelConfig) -> None:
    """Stop if the projection is not the identity: transformers would score differently.

    Raises
    ------
    SERError
    """
    for name, tensor in projector(config).items():
        if not torch.equal(weights[name], tensor):
            raise SERError(f"{name} of the model is not the identity that `ser export` writes.")

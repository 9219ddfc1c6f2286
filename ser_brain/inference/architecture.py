"""Which encoders a model folder may describe, and how large they may be.

A description becomes modules only after every value in it was found within these bounds. They
leave room for everything published (XLS-R 2B has 48 layers of 1920) and none for what would
fill a machine's memory.
"""

from __future__ import annotations

import torch

from ser_brain.core.errors import SERError, bad_value, first_line
from ser_brain.core.schema import ANY, Bound, check, list_of, number, one_of, plain, text, whole
from ser_brain.models.encoders import Encoder, build_encoder
from ser_brain.models.encoders.compact import LogMel
from ser_brain.models.encoders.loading import FAMILIES
from ser_brain.models.encoders.whisper import WhisperLogMel

LARGEST_MODEL = 2**32  # numbers
WIDTH, INNER, DEPTH, HEADS = whole(1, 8192), whole(1, 65536), whole(1, 96), whole(1, 128)

# What a second of audio may become. Published models make 50 frames of it, attend to them with
# up to 20 heads, and have 1.6 million numbers after their first convolution.
MOST_FRAMES, MOST_ATTENTION, MOST_NUMBERS = 100, 1600, 4_000_000
BOOLEAN = one_of(True, False)
ACTIVATION = one_of("gelu", "gelu_new", "relu", "silu", "swish", "tanh")
KERNELS = list_of(whole(1, 64), 1, 12)
SPEECH = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "hidden_act": ACTIVATION,
    "layer_norm_eps": number(0, 1),
    "feat_extract_activation": ACTIVATION,
    "conv_dim": list_of(WIDTH, 1, 12),
    "conv_kernel": KERNELS,
    "conv_stride": KERNELS,
    "conv_bias": BOOLEAN,
    "num_conv_pos_embeddings": whole(1, 1024),
    "num_conv_pos_embedding_groups": whole(1, 1024),
}
NORMS = {"feat_extract_norm": one_of("group", "layer"), "do_stable_layer_norm": BOOLEAN}

# Of each family, the keys of a published config.json that an encoder's numbers depend on.
CONFIGS: dict[str, dict[str, Bound]] = {
    "wav2vec2": {**SPEECH, **NORMS},
    "hubert": {**SPEECH, **NORMS, "feat_proj_layer_norm": BOOLEAN},
    "wavlm": {
        **SPEECH,
        **NORMS,
        "num_buckets": whole(4, 4096),  # with fewer, transformers divides by zero
        "max_bucket_distance": whole(1, 65536),
    },
    "data2vec-audio": {**SPEECH, "conv_pos_kernel_size": whole(1, 1024)},
    "whisper": {
        "d_model": WIDTH,
        "encoder_layers": DEPTH,
        "encoder_attention_heads": HEADS,
        "encoder_ffn_dim": INNER,
        "activation_function": ACTIVATION,
        "num_mel_bins": whole(1, 256),
        "max_source_positions": whole(1, 3000),
    },
}
COMPACT = {"channels": whole(4, 8192), "dilations": list_of(whole(1, 1024), 1, 96)}
PLAIN = plain(2**31, 4)  # for a family that a user added, whose keys have no bounds here
LAYERS = list_of(whole(0, 96), 1, 97)
LAYER = Bound(
    lambda value: (
        value in ("last", "mix", "all") or whole(0, 96).holds(value) or LAYERS.holds(value)
    ),
    "'last', 'mix', 'all', the number of a layer or a list of numbers",
)
BUILT_IN = {"compact", *CONFIGS}
WHISPER_FRAMES = 50
WHERE = "encoder of the model's configuration"


def describe_encoder(encoder: Encoder) -> dict:
    """The settings of a trained encoder that its numbers depend on, in JSON types.

    What matters only to training (dropout, freezing, masking) is not included. Every value of
    a published ``config.json`` is written out, defaults too, because a later version of
    transformers may change them.
    """
    from transformers import AutoConfig

    settings = encoder.settings()
    family = settings["family"]
    if family == "compact":
        return {"family": family, **{key: settings[key] for key in COMPACT}}
    del settings["freeze"]
    if family in CONFIGS:
        full = AutoConfig.for_model(**settings["config"])
        values = {key: getattr(full, key) for key in CONFIGS[family]}
        settings["config"] = {k: [*v] if isinstance(v, tuple) else v for k, v in values.items()}
    return settings


def check_encoder(found: object) -> None:
    """Check a description that may come from a stranger.

    Raises
    ------
    SERError
        Naming the first key that is out of bounds, what was found and what was expected.
    """
    family = found.get("family") if isinstance(found, dict) else None
    if not isinstance(family, str) or family not in FAMILIES:
        raise bad_value(f"family in the {WHERE}", family, FAMILIES)
    if family == "compact":
        check(found, {"family": ANY, **COMPACT}, WHERE)
        return
    if family not in CONFIGS:
        check(found, dict.fromkeys(found, PLAIN), WHERE)
        return
    bounds = {"family": ANY, "name": text(200), "layer": LAYER, "config": ANY}
    if family != "whisper":
        bounds["normalize"] = BOOLEAN
    check(found, bounds, WHERE)
    check(found["config"], CONFIGS[family], f"config in the {WHERE}")
    _check_together(found["config"], family)


def _check_together(config: dict, family: str) -> None:
    """Refuse values that together need too much memory, or make transformers fail."""
    if family == "whisper":
        heads, frames = config["encoder_attention_heads"], WHISPER_FRAMES
    else:
        heads, frames = config["num_attention_heads"], float(Encoder.sample_rate_hz)
        for size, stride in zip(config["conv_dim"], config["conv_stride"], strict=False):
            frames /= stride
            if frames * size > MOST_NUMBERS:
                raise SERError(
                    f"Bad convolutions in the {WHERE}: one makes {frames * size:.2g} numbers "
                    f"of a second of audio, and at most {MOST_NUMBERS:.2g} are computed. Its "
                    "strides are too small."
                )
    if frames > MOST_FRAMES or frames * heads > MOST_ATTENTION:
        raise SERError(
            f"Bad {WHERE}: it makes {frames:g} frames of a second of audio and attends to them "
            f"with {heads} heads; expected at most {MOST_FRAMES} frames, and at most "
            f"{MOST_ATTENTION} frames times heads."
        )
    exact, farthest = config.get("num_buckets", 4) // 4, config.get("max_bucket_distance", 2)
    if exact >= farthest:
        raise SERError(
            f"Bad max_bucket_distance in the {WHERE}: found {farthest}, expected more than a "
            f"quarter of num_buckets, {exact}."
        )


def build_empty(description: dict) -> Encoder:
    """Build the modules of a checked description without memory for their parameters.

    Raises
    ------
    SERError
        If the values, though each is within its bound, do not make an encoder together.
    """
    settings, family = {**description, "freeze": "all"}, description["family"]
    if "config" in description:
        settings["config"] = {**description["config"], "model_type": family}
    try:
        with torch.device("meta"):
            encoder = build_encoder(settings)
    except SERError:
        raise
    except Exception as error:  # whatever a library raises
        raise SERError(
            f"Bad {WHERE}: no encoder can be built from it ({first_line(error)})."
        ) from error
    # Windows and mel filters are computed, not loaded, so they need memory now.
    if family not in BUILT_IN:
        require_size(sum(tensor.numel() for tensor in encoder.state_dict().values()))
        encoder = build_encoder(settings)  # nobody here knows what such a family computes
    elif family == "compact":
        encoder.log_mel = LogMel()
    elif family == "whisper":
        encoder.log_mel = WhisperLogMel(description["config"]["num_mel_bins"])
    return encoder.eval()


def require_size(numbers: int) -> None:
    """Refuse a model of more numbers than are read.

    Raises
    ------
    SERError
    """
    if numbers > LARGEST_MODEL:
        raise SERError(
            f"The configuration describes a model of {numbers:.1e} numbers; at most "
            f"{LARGEST_MODEL:.1e} are read."
        )

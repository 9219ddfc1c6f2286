"""Which encoders a model folder may describe, and how large they may be.

A description becomes modules only after every value in it was found within these bounds. They
leave room for everything published (XLS-R 2B has 48 layers of 1920) and none for what would
fill a machine's memory.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.schema import ANY, Bound, check, list_of, number, one_of, plain, text, whole
from ser_brain.models.encoders import Encoder, build_encoder
from ser_brain.models.encoders.compact import LogMel
from ser_brain.models.encoders.loading import FAMILIES
from ser_brain.models.encoders.whisper import WhisperLogMel

LARGEST_HEADER = 8 * 2**20  # bytes; that of a model of 2000 tensors has 250 thousand
LARGEST_MODEL = 2**32  # numbers
SHOWN = 3


def read_weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Read a file that must hold just these float32 tensors.

    Names, shapes and kinds are compared with the file's header before any is read.

    Parameters
    ----------
    path : Path
    shapes : mapping
        Name -> shape of every tensor.

    Returns
    -------
    dict
        Name -> tensor on the CPU.

    Raises
    ------
    SERError
        If the file is damaged or no safetensors file, a tensor is missing, unknown, or of
        another shape or kind, or a number is not finite.
    """
    require_size(sum(math.prod(shape) for shape in shapes.values()))
    _require_small_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}
            found = {name: (tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
            _require_fit(path, found, shapes)
            weights = {name: file.get_tensor(name) for name in shapes}
    except (SafetensorError, OSError) as error:
        raise SERError(
            f"{path} is damaged or no safetensors file ({error}). Download it again."
        ) from error
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise SERError(f"{path}: {name} holds numbers that are not finite.")
    return weights


def require_size(numbers: int) -> None:
    """Stop at a model of more numbers than are read.

    Raises
    ------
    SERError
    """
    if numbers > LARGEST_MODEL:
        raise SERError(
            f"The configuration describes a model of {numbers:.1e} numbers; at most "
            f"{LARGEST_MODEL:.1e} are read."
        )


def _require_small_header(path: Path) -> None:
    """The first eight bytes say how long the header is; a reader would make room for it."""
    with open(path, "rb") as file:
        head = file.read(8)
    if len(head) < 8:
        raise SERError(f"{path} is damaged: it ends within its header. Download it again.")
    (length,) = struct.unpack("<Q", head)
    if length > LARGEST_HEADER:
        raise SERError(
            f"{path} announces a header of {length} bytes; at most {LARGEST_HEADER} are read. "
            "It is no safetensors file, or made to do harm."
        )


def _require_fit(path: Path, found: Mapping, shapes: Mapping[str, tuple[int, ...]]) -> None:
    faults = {
        "missing": [name for name in shapes if name not in found],
        "unknown": [name for name in found if name not in shapes],
        "of another shape": [
            f"{name} {found[name][0]} instead of {shape}"
            for name, shape in shapes.items()
            if name in found and found[name][0] != shape
        ],
        "not float32": [name for name in found if found[name][1] != "F32"],
    }
    if any(faults.values()):
        said = "; ".join(f"{what}: {_few(names)}" for what, names in faults.items() if names)
        raise SERError(f"{path} does not fit its config.json ({said}).")


def _few(names: list[str]) -> str:
    shown = [name if len(name) <= 100 else f"{name[:100]}..." for name in names[:SHOWN]]
    more = len(names) - SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


WIDTH, INNER, DEPTH, HEADS = whole(1, 8192), whole(1, 65536), whole(1, 96), whole(1, 128)

# What a second of audio may become. Published models make 50 frames of it, attend to them with
# up to 20 heads, and have 1.6 million numbers behind their first convolution.
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
        "num_buckets": whole(4, 4096),  # of fewer, a library divides by zero
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
PLAIN = plain(2**31, 4)  # of a family that somebody added, for which there are no bounds here
LAYER = Bound(
    lambda value: value in ("last", "mix") or whole(0, 96).holds(value),
    "'last', 'mix' or the number of a layer",
)
BUILT_IN = {"compact", *CONFIGS}
WHISPER_FRAMES = 50
WHERE = "encoder of the model's configuration"


def describe_encoder(encoder: Encoder) -> dict:
    """The settings of a trained encoder that its numbers depend on.

    What matters to training alone (dropout, what is frozen, masking) is left out. Of a
    published ``config.json`` every value is written out, defaults too, which a later version
    of the library may change.

    Returns
    -------
    dict
        JSON types; what :func:`build_empty` takes.
    """
    from transformers import AutoConfig

    settings = encoder.settings()
    family = settings["family"]
    if family == "compact":
        return {"family": family, **{key: settings[key] for key in COMPACT}}
    if family not in CONFIGS:
        del settings["freeze"]
        return settings
    full = AutoConfig.for_model(**settings["config"])
    config = {key: getattr(full, key) for key in CONFIGS[family]}
    settings["config"] = {
        key: list(value) if isinstance(value, tuple) else value for key, value in config.items()
    }
    del settings["freeze"]
    return settings


def check_encoder(found: object) -> None:
    """Stop at a description that is not wholly within bounds.

    Raises
    ------
    SERError
        Naming the key, what was found and what may stand there.
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
    named = {"family": ANY, "name": text(200), "layer": LAYER, "config": ANY}
    if family != "whisper":
        named["normalize"] = BOOLEAN
    check(found, named, WHERE)
    config = found["config"]
    check(config, CONFIGS[family], f"config in the {WHERE}")
    _check_together(config, family)


def _check_together(config: dict, family: str) -> None:
    """Stop at values that need too much memory together, or that fit no library's formula."""
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
        If the values, though each within its bound, fit no encoder together.
    """
    settings = {**description, "freeze": "all"}
    if "config" in description:
        family = description["family"]
        settings["config"] = {**description["config"], "model_type": family}
    try:
        with torch.device("meta"):
            encoder = build_encoder(settings)
    except SERError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SERError(f"Bad {WHERE}: it describes no encoder ({reason}).") from error
    # What no checkpoint carries (windows, mel filters) is computed, and so cannot be empty.
    if description["family"] not in BUILT_IN:
        require_size(sum(tensor.numel() for tensor in encoder.state_dict().values()))
        encoder = build_encoder(settings)  # whose computed parts nothing here knows
    elif description["family"] == "compact":
        encoder.log_mel = LogMel()
    elif description["family"] == "whisper":
        encoder.log_mel = WhisperLogMel(description["config"]["num_mel_bins"])
    return encoder.eval()

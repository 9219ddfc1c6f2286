"""LoRA: low-rank updates of an encoder's projections (Hu et al. 2022).

The layers are SpeechBrain's. peft's would serve as well, but need two more packages. What is
stored apart from a run has peft's layout, so peft reads it, too.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from speechbrain.nnet.adapters import LoRA, replace_module
from torch import nn

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import atomic_path, read_json, write_json
from ser_brain.core.schema import check, list_of, nullable, number, text, whole
from ser_brain.models.encoders.base import Encoder
from ser_brain.models.encoders.pretrained import read_weights, weights_digest

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # of every name in peft's files
BASE = "base_sha256"  # digest of the encoder's own weights, in the file's metadata
DESCRIPTION = {  # what is read of CONFIG
    "base_model_name_or_path": nullable(text(1000)),
    "r": whole(1, 10_000),
    "lora_alpha": number(1e-6, 1e6),
    "target_modules": list_of(text(1000), shortest=1),
}


def add_lora(encoder: Encoder, rank: int, alpha: float, targets: list[str]) -> None:
    """Freeze an encoder and add trained updates to its projections.

    An update starts at zero. A learned mix of layers is trained as well.

    Parameters
    ----------
    encoder : Encoder
    rank : int
        Of every update.
    alpha : float
        The update is multiplied by ``alpha / rank``.
    targets : list of str
        Names of linear modules in the encoder's layers, such as ``q_proj``.

    Raises
    ------
    SERError
        If the encoder has no such modules, or its setting ``freeze`` is not ``cnn``.
    """
    if encoder.freeze != "cnn":
        raise SERError(
            f"Bad freeze {encoder.freeze!r} with lora, which trains its updates alone; "
            "expected 'cnn'."
        )
    in_layers = {module for layer in encoder.layers() for module in layer.modules()}
    found = {
        name: module
        for name, module in encoder.named_modules()
        if type(module) is nn.Linear and module in in_layers  # not what splices its input
    }
    known = sorted({name.rpartition(".")[2] for name in found})
    for target in targets:
        if target not in known:
            raise bad_value(f"lora target of {encoder.name}", target, known)
    mixed = getattr(encoder, "layer_logits", None)
    encoder.requires_grad_(False)
    if mixed is not None:
        mixed.requires_grad_(True)
    for name, module in found.items():
        if name.rpartition(".")[2] in targets:
            replace_module(encoder, name, LoRA(module, rank, alpha))


def merge_lora(encoder: Encoder) -> None:
    """Add the updates to the projections' weights; the encoder is then an ordinary one."""
    for name, lora in _updates(encoder):
        up, down = lora.adapter_up_proj.weight, lora.adapter_down_proj.weight
        with torch.no_grad():
            # In float64, so that the weights are rounded only once.
            update = lora.scaling * (up.double() @ down.double())
            lora.pretrained_module.weight.copy_(lora.pretrained_module.weight + update)
        replace_module(encoder, name, lora.pretrained_module)


def save_lora(encoder: Encoder, folder: str | Path) -> None:
    """Write the updates alone, a few megabytes, into a folder in peft's layout.

    ``peft.PeftModel.from_pretrained`` loads it on the transformers model of the same weights,
    :func:`load_lora` on an encoder.

    Raises
    ------
    SERError
        If the encoder has no updates.
    """
    updates = dict(_updates(encoder))
    if not updates:
        raise SERError(f"{encoder.name} was not trained with lora, so it has no adapter.")
    first = next(iter(updates.values()))
    rank = first.adapter_down_proj.out_features
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": encoder.name,
        "r": rank,
        "lora_alpha": first.scaling * rank,
        "target_modules": list(updates),
        "inference_mode": True,
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    with atomic_path(Path(folder) / WEIGHTS) as temporary:
        metadata = {"format": "pt", BASE: weights_digest(encoder)}
        save_file(_weights(encoder), temporary, metadata)
    write_json(Path(folder) / CONFIG, config)


def load_lora(encoder: Encoder, folder: str | Path) -> None:
    """Add the updates that :func:`save_lora` wrote to an encoder of the same base weights.

    Raises
    ------
    SERError
        If they are of another encoder, of other weights of it, or of fewer or more of its
        layers, or a file is missing or damaged. The encoder keeps its frames.
    """
    config = read_json(Path(folder) / CONFIG, "description of an adapter")
    check(config, DESCRIPTION, f"adapter {folder}", others=True)
    file = Path(folder) / WEIGHTS
    found = read_weights([file])
    with safe_open(file, "pt") as opened:
        base = (opened.metadata() or {}).get(BASE)  # None: of an earlier version, or of peft
    trained_on = f"{config['base_model_name_or_path']}, with the layer that it was trained with"
    if base not in (None, weights_digest(encoder)):
        raise SERError(
            f"The adapter {folder} was trained on other weights than those of {encoder.name}. "
            f"Load it on those of {trained_on}."
        )
    targets = sorted({name.rpartition(".")[2] for name in config["target_modules"]})
    add_lora(encoder, config["r"], config["lora_alpha"], targets)
    ours = _weights(encoder)
    shapes, expected = ({n: tuple(t.shape) for n, t in w.items()} for w in (found, ours))
    if shapes != expected:
        for name, lora in _updates(encoder):
            replace_module(encoder, name, lora.pretrained_module)
        raise SERError(
            f"The adapter {folder} is of another encoder than {encoder.name}: it has "
            f"{len(shapes)} weights, {len(shapes.items() & expected.items())} of which are "
            f"among the {len(expected)} expected ones. Load it on {trained_on}."
        )
    with torch.no_grad():
        for name, weight in ours.items():
            weight.copy_(found[name])


def _updates(encoder: Encoder) -> list[tuple[str, LoRA]]:
    return [(n, module) for n, module in encoder.named_modules() if isinstance(module, LoRA)]


def _weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    """The weights of all updates, under peft's names."""
    weights = {}
    for name, lora in _updates(encoder):
        weights[f"{PREFIX}{name}.lora_A.weight"] = lora.adapter_down_proj.weight.detach()
        weights[f"{PREFIX}{name}.lora_B.weight"] = lora.adapter_up_proj.weight.detach()
    return weights

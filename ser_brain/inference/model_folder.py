"""Loading a model folder that anybody may have written. No code in it is run.

JSON and safetensors only: a bounded configuration becomes modules without memory, the header of
the weights is compared with them, then the numbers are read. ``hyperparams.yaml``,
``custom_interface.py`` and pickles are not opened. docs/model_format.md describes the folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import torch

from ser_brain.checksums import SUMS, changed_files
from ser_brain.errors import SERError
from ser_brain.files import read_text
from ser_brain.inference.architecture import build_empty
from ser_brain.inference.model import EmotionModel
from ser_brain.inference.model_config import ModelConfig, parse_config
from ser_brain.inference.transformers_layout import (
    projector_shapes,
    require_identity,
    stored_name,
)
from ser_brain.inference.weights_file import read_weights

CONFIG, WEIGHTS = "config.json", "model.safetensors"
LARGEST_CONFIG = 2**20  # bytes


def load_model(folder: str | Path) -> tuple[ModelConfig, EmotionModel]:
    """Load the model of a folder, on the CPU and in evaluation mode.

    Raises
    ------
    SERError
        If a file is missing, lies elsewhere, is damaged, or is not what ``ser export`` writes.
    """
    folder = Path(folder)
    config = read_config(folder)
    encoder = build_empty(config.encoder)
    with torch.device("meta"):
        model = EmotionModel(encoder, config.emotions, config.va_range).eval()
    stored = {name: stored_name(name, config) for name in model.state_dict()}
    shapes = {stored[name]: tuple(t.shape) for name, t in model.state_dict().items()}
    path = inside(folder, WEIGHTS)
    _require_as_written(folder)
    weights = read_weights(path, {**shapes, **projector_shapes(config)})
    require_identity(weights, config)
    model.load_state_dict({name: weights[stored[name]] for name in stored}, assign=True)
    return config, model.requires_grad_(False)


def read_config(folder: Path) -> ModelConfig:
    """Read and check ``config.json``.

    Raises
    ------
    SERError
        See :func:`load_model`.
    """
    path = inside(folder, CONFIG)
    if path.stat().st_size > LARGEST_CONFIG:
        raise SERError(f"{path} has over {LARGEST_CONFIG} bytes; no configuration needs them.")
    try:
        content = json.loads(read_text(path), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise SERError(f"Cannot read {path}: {error}.") from error
    if not isinstance(content, dict):
        raise SERError(f"Bad {path}: expected a JSON object.")
    return parse_config(content)


def _require_as_written(folder: Path) -> None:
    changed = changed_files(folder, CONFIG, WEIGHTS)
    if changed == [SUMS]:
        raise SERError(f"{folder} is damaged: {SUMS} is no list. Export or download it again.")
    if changed:
        raise SERError(
            f"{folder} is damaged: {', '.join(changed)} is not as it was written, says its "
            f"{SUMS}. Export or download it again."
        )


def inside(folder: Path, name: str) -> Path:
    """The regular file of a name that truly lies in the folder.

    A snapshot in the hub's cache holds links to the ``blobs`` beside it; those are followed.

    Raises
    ------
    SERError
        If it is missing, no regular file, or a link out of the folder.
    """
    path = folder / name
    if not path.exists():
        raise SERError(
            f"{folder} holds no {name}: it is no model folder. "
            "`ser export RUN DIR` writes one; pickles (.bin, .ckpt, .pt) are not read."
        )
    homes = [folder.resolve()]
    if folder.resolve().parent.name == "snapshots":
        homes.append(folder.resolve().parents[1] / "blobs")
    real = path.resolve()
    if real.parent not in homes:
        raise SERError(f"{path} is a link to {real}, out of the model folder; copy the file.")
    if not real.is_file():
        raise SERError(f"{path} is no regular file.")
    return real


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")

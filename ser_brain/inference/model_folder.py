"""Finding and loading a model folder, whoever wrote it. No code in it is run.

Only JSON and safetensors are read: a bounded configuration becomes modules without memory, the
header of the weights is compared with them, then the numbers are read. ``hyperparams.yaml``,
``custom_interface.py`` and pickles are not opened. docs/model_format.md describes the folder.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ser_brain.core.errors import SERError, first_few
from ser_brain.core.files import SUMS, changed_files, read_text
from ser_brain.core.hub import cached_file, hub_errors, model_folder
from ser_brain.inference.architecture import build_empty, require_size
from ser_brain.inference.model_config import BLOCK, ModelConfig, parse_config
from ser_brain.inference.transformers_layout import (
    projector_shapes,
    require_identity,
    stored_name,
)
from ser_brain.models.model import EmotionModel
from ser_brain.models.spectrum import SPECTRA
from ser_brain.training.run import ADAPTER

CONFIG, WEIGHTS = "config.json", "model.safetensors"
PREPROCESSOR = "preprocessor_config.json"  # of models that others published
# What these have in place of safetensors (ser_brain/inference/published.py).
OTHERS = ("pytorch_model.bin", "model.onnx", "signature.json", "hyperparams.yaml")
OTHERS += ("wav2vec2.ckpt", "model.ckpt", "label_encoder.txt")
LARGEST_CONFIG = 2**20  # bytes
LARGEST_HEADER = 8 * 2**20  # bytes; a model of 2000 tensors has a header of 250 thousand
COMMIT = re.compile(r"[0-9a-f]{40}")
TIMEOUT_S = 10
SHOWN = 3


def find_model(source: str, revision: str | None = None) -> tuple[Path, str]:
    """The folder of a model, downloaded if necessary.

    Only the files that are read are downloaded. A commit that the cache holds is not asked for
    again. Where the hub cannot be reached, the cached state of a branch is used.

    Parameters
    ----------
    source : str
        Folder or hub id.
    revision : str, optional
        Branch, tag or commit of a hub id.

    Returns
    -------
    folder : Path
    name : str
        The folder's name, or ``name/model@commit``.

    Raises
    ------
    SERError
        If there is no such model.
    """
    folder = model_folder(source, revision)
    if folder is not None:
        return folder, folder.resolve().name
    folder = _snapshot(source, revision)
    return folder, f"{source}@{folder.name}"


def _snapshot(hub_id: str, revision: str | None) -> Path:
    import huggingface_hub as hub

    with hub_errors(hub_id, revision):
        if revision is not None and COMMIT.fullmatch(revision):
            cached = [cached_file(hub_id, name, revision) for name in (CONFIG, WEIGHTS)]
            if None not in cached:
                return cached[0].parent
        how = {"revision": revision, "etag_timeout": TIMEOUT_S}
        wanted = [CONFIG, WEIGHTS, SUMS, ADAPTER]
        folder = Path(hub.snapshot_download(hub_id, allow_patterns=wanted, **how))
        config = folder / CONFIG
        if config.is_file() and BLOCK in read_text(config, errors="replace"):
            return folder  # one of ours
        wanted = [PREPROCESSOR] if (folder / WEIGHTS).exists() else [PREPROCESSOR, *OTHERS]
        return Path(hub.snapshot_download(hub_id, allow_patterns=wanted, **how))


def load_model(folder: str | Path) -> tuple[ModelConfig, EmotionModel]:
    """Load the model of a folder, on the CPU and in evaluation mode.

    Raises
    ------
    SERError
        If a file is missing, is outside the folder, is damaged, or is not what ``ser export``
        writes.
    """
    folder = Path(folder)
    config = read_config(folder)
    encoder = build_empty(config.encoder)
    with torch.device("meta"):
        outputs = (config.emotions, config.va_range, config.pooling, config.dimensions)
        model = EmotionModel(encoder, *outputs, config.spectrum).eval()
    if config.spectrum is not None:  # computed, not loaded, so it needs memory now
        model.pool.spectrum = SPECTRA[config.spectrum]()
    stored = {name: stored_name(name, config) for name in model.state_dict()}
    shapes = {stored[name]: tuple(t.shape) for name, t in model.state_dict().items()}
    path = file_of(folder, WEIGHTS)
    _require_checksums(folder)
    weights = read_safetensors(path, {**shapes, **projector_shapes(config)})
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
    path = file_of(folder, CONFIG)
    if path.stat().st_size > LARGEST_CONFIG:
        raise SERError(f"{path} has over {LARGEST_CONFIG} bytes; no configuration needs them.")
    try:
        content = json.loads(read_text(path), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise SERError(f"Cannot read {path}: {error}.") from error
    if not isinstance(content, dict):
        raise SERError(f"Bad {path}: expected a JSON object.")
    return parse_config(content)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON knows")


def _require_checksums(folder: Path) -> None:
    changed = changed_files(folder, CONFIG, WEIGHTS)
    if changed == [SUMS]:
        raise SERError(
            f"{folder} is damaged: {SUMS} is not a list of checksums. Export or download it "
            "again."
        )
    if changed:
        raise SERError(
            f"{folder} is damaged: {', '.join(changed)} differs from its checksum in {SUMS}. "
            "Export or download it again."
        )


def file_of(folder: Path, name: str) -> Path:
    """The regular file of a name that is really in the folder.

    A snapshot in the hub's cache holds links to the ``blobs`` beside it; those are followed.

    Raises
    ------
    SERError
        If it is missing, not a regular file, or a link out of the folder.
    """
    path = folder / name
    if not path.exists():
        raise SERError(
            f"{folder} holds no {name}: it is not a model folder. "
            "`ser export RUN DIR` writes one; pickles (.bin, .ckpt, .pt) are not read."
        )
    homes = [folder.resolve()]
    if folder.resolve().parent.name == "snapshots":
        homes.append(folder.resolve().parents[1] / "blobs")
    real = path.resolve()
    if real.parent not in homes:
        raise SERError(f"{path} is a link to {real}, out of the model folder; copy the file.")
    if not real.is_file():
        raise SERError(f"{path} is not a regular file.")
    return real


def read_safetensors(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Read a file that must hold exactly these float32 tensors.

    Names, shapes and types in the file's header are compared before any tensor is read.

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
        If the file is damaged or not a safetensors file, if a tensor is missing, unknown, or of
        another shape or type, or if a number is not finite.
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
            f"{path} is damaged or not a safetensors file ({error}). Download it again."
        ) from error
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise SERError(f"{path}: {name} holds numbers that are not finite.")
    return weights


def _require_small_header(path: Path) -> None:
    # The first eight bytes give the header's length, and a reader allocates that much.
    with open(path, "rb") as file:
        head = file.read(8)
    if len(head) < 8:
        raise SERError(f"{path} is damaged: it ends within its header. Download it again.")
    (length,) = struct.unpack("<Q", head)
    if length > LARGEST_HEADER:
        raise SERError(
            f"{path} announces a header of {length} bytes; at most {LARGEST_HEADER} are read. "
            "It is not a safetensors file, or was made to do harm."
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
        listed = "; ".join(f"{what}: {_few(names)}" for what, names in faults.items() if names)
        raise SERError(f"{path} does not fit its config.json ({listed}).")


def _few(names: list[str]) -> str:
    shown = [name if len(name) <= 100 else f"{name[:100]}..." for name in names]
    return first_few(shown, SHOWN)

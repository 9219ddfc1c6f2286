"""Reading an untrusted ``model.safetensors``: header first, then the numbers."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ser_brain.errors import SERError

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

"""Reading checkpoint files safely, and loading them strictly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ser_brain.errors import SERError

SHOWN = 3


def read_weights(paths: Iterable[Path]) -> dict[str, Tensor]:
    """Tensors of one checkpoint, from one file or from several shards.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        ``.safetensors`` files, or ``.bin`` files, of which only tensors are unpickled.

    Returns
    -------
    dict
        Name to tensor, in the file's dtype.

    Raises
    ------
    SERError
        A file is damaged or holds anything but tensors.
    """
    state: dict[str, Tensor] = {}
    for path in paths:
        try:
            state.update(_read(path))
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise SERError(
                f"Cannot read the weights {path}: {reason} Download the file again; "
                "it may be cut short, or a git-LFS stub."
            ) from error
    return state


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def load_strictly(
    module: nn.Module,
    weights: Mapping[str, Tensor],
    name: str,
    prefixes: Iterable[str] = (),
    ignored: Iterable[str] = (),
    renames: Mapping[str, str] | None = None,
) -> None:
    """Copy weights into a module; every name and every shape has to agree.

    Parameters
    ----------
    module : torch.nn.Module
        Gets the weights, converted to its own dtype.
    weights : mapping
        State dict of the checkpoint.
    name : str
        The checkpoint, for the error.
    prefixes : iterable of str
        Stripped off a name, where a checkpoint wraps the encoder in a larger model.
    ignored : iterable of str
        Regular expressions of names, after stripping, that are no part of the encoder.
    renames : mapping
        Older name endings to present ones.

    Raises
    ------
    SERError
        Names the first few missing and unexpected keys and wrong shapes.
    """
    found: dict[str, Tensor] = {}
    for key, tensor in weights.items():
        key = next((key[len(p) :] for p in prefixes if key.startswith(p)), key)
        for old, new in (renames or {}).items():
            key = key.removesuffix(old) + new if key.endswith(old) else key
        if not any(re.match(pattern, key) for pattern in ignored):
            found[key] = tensor
    expected = module.state_dict()
    faults = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": [
            f"{key} {tuple(found[key].shape)} instead of {tuple(tensor.shape)}"
            for key, tensor in expected.items()
            if key in found and found[key].shape != tensor.shape
        ],
    }
    if any(faults.values()):
        said = "; ".join(f"{what}: {_few(keys)}" for what, keys in faults.items() if keys)
        raise SERError(
            f"The weights of {name} do not fit the model of its config.json ({said}). "
            "Check that both files come from the same download."
        )
    module.load_state_dict(found)


def _few(keys: list[str]) -> str:
    more = len(keys) - SHOWN
    return ", ".join(keys[:SHOWN]) + (f" and {more} more" if more > 0 else "")

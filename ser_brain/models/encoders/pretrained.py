"""Checkpoints of Hugging Face: finding their files, reading them safely, loading strictly.

And digests of weights, which tell whether two encoders are the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor, nn

from ser_brain.core.errors import SERError, first_few, first_line
from ser_brain.core.files import read_json
from ser_brain.core.hub import cached_file, hub_errors, local_folder

SHOWN = 3


def read_weights(paths: Iterable[Path]) -> dict[str, Tensor]:
    """Read the tensors of one checkpoint, from one file or from several shards.

    They keep the dtype of the file. Of ``.bin`` files, only tensors are unpickled.

    Raises
    ------
    SERError
        If a file is damaged or contains anything but tensors.
    """
    state: dict[str, Tensor] = {}
    for path in paths:
        try:
            state.update(_read(path))
        except Exception as error:
            raise SERError(
                f"Cannot read the weights {path}: {first_line(error)} Download the file again; "
                "it may be truncated, or a git-LFS stub."
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
    """Give copies of weights to a module, in its dtype. Every name and every shape must agree.

    The module may be on the device ``meta``, where nothing has spent time or memory on weights
    that are replaced.

    Parameters
    ----------
    module : torch.nn.Module
    weights : mapping
        State dict of the checkpoint.
    name : str
        The checkpoint, for the error.
    prefixes : iterable of str
        Removed from a key, where a checkpoint wraps the encoder in a larger model.
    ignored : iterable of str
        Regular expressions of keys, after that, which are not part of the encoder.
    renames : mapping
        Older endings of keys -> present ones.

    Raises
    ------
    SERError
        With the first few missing keys, unexpected keys and wrong shapes.
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
        said = "; ".join(
            f"{what}: {first_few(keys, SHOWN)}" for what, keys in faults.items() if keys
        )
        raise SERError(
            f"The weights of {name} do not fit the model of its config.json ({said}). "
            "Check that both files come from the same download."
        )
    copies = {key: w.to(expected[key].dtype, copy=True) for key, w in found.items()}
    module.load_state_dict(copies, assign=True)


def weights_digest(encoder: nn.Module) -> str:
    """SHA-256 of a pretrained encoder's weights.

    Without what is trained beside them: the weights of its layers and updates of LoRA.
    """
    digest = hashlib.sha256()
    weights = {
        name.replace(".pretrained_module.", "."): weight
        for name, weight in encoder.state_dict().items()
        if name != "layer_logits" and ".adapter_" not in name
    }
    add_weights(digest, weights)
    return digest.hexdigest()


def add_weights(digest: hashlib._Hash, weights: Mapping[str, Tensor]) -> None:
    """Add names and values of weights to a digest."""
    for name, tensor in weights.items():
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())


def device_before(
    weights: Mapping[str, Tensor] | None,
) -> contextlib.AbstractContextManager:
    """Where to build a module that :func:`load_strictly` then gives these weights, if any."""
    return contextlib.nullcontext() if weights is None else torch.device("meta")


HUB_TIMEOUT_S = 5
AN_ENCODER = (
    "'compact', 'functionals', a hub id such as facebook/wav2vec2-base, or an existing local "
    "folder"
)

# Safetensors first: they hold nothing but tensors.
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class Checkpoint:
    """The files of one Hugging Face checkpoint, downloaded when they are needed.

    Parameters
    ----------
    source : str
        Local folder, or hub id such as ``facebook/wav2vec2-base``.
    revision : str or None
        Branch, tag or commit of a hub id.

    Raises
    ------
    SERError
        If the source is neither; from the methods, if a file is missing or unreachable.
    """

    def __init__(self, source: str, revision: str | None = None):
        self.source = str(source)
        self.revision = revision
        self.folder = local_folder(self.source, "encoder", AN_ENCODER)
        self.name = self.source if self.folder is None else self.folder.resolve().name

    def config(self) -> dict:
        """Read ``config.json``."""
        return self._json("config.json") or self._lacks("config.json")

    def preprocessor(self) -> dict | None:
        """Read ``preprocessor_config.json``, if there is one."""
        return self._json("preprocessor_config.json")

    def weight_files(self) -> list[Path]:
        """Find the file, or the shards, that contain the weights."""
        # The cache is searched for every form first: what it has must work without the hub.
        for online in (False, True):
            for name in WEIGHTS:
                single = self._file(name, online)
                if single is not None:
                    return [single]
                index = self._file(f"{name}.index.json", online)
                if index is not None:
                    shards = _shard_names(index)
                    return [self._file(s) or self._lacks(s) for s in shards]
        return self._lacks(" or ".join(WEIGHTS))

    def _json(self, name: str) -> dict | None:
        path = self._file(name)
        return None if path is None else read_json(path, "description of the encoder")

    def _lacks(self, name: str) -> NoReturn:
        hub_id = "ID" if self.folder else self.source
        raise SERError(
            f"The encoder {self.source} has no {name}; a folder needs config.json, "
            f"preprocessor_config.json and {' or '.join(WEIGHTS)}. On a machine that reaches "
            f"the hub, run: hf download {hub_id} --local-dir DIR, and give the folder DIR."
        )

    def _file(self, name: str, online: bool = True) -> Path | None:
        """Path of a file, None if the checkpoint has none (or it is not in the cache)."""
        if self.folder is not None:
            path = self.folder / name
            return path if path.is_file() else None
        cached = cached_file(self.source, name, self.revision)
        return self._download(name) if cached is None and online else cached

    def _download(self, name: str) -> Path | None:
        import huggingface_hub as hub
        from huggingface_hub import errors

        url = hub.hf_hub_url(self.source, name, revision=self.revision)
        with hub_errors(self.source, self.revision):
            try:
                # Downloading retries for half a minute where there is no network; asking
                # for the header does not.
                hub.get_hf_file_metadata(url, timeout=HUB_TIMEOUT_S)
                return Path(hub.hf_hub_download(self.source, name, revision=self.revision))
            except errors.LocalEntryNotFoundError:
                raise  # the hub cannot be reached
            except errors.EntryNotFoundError:
                return None


def _shard_names(index: Path) -> list[str]:
    """File names that a ``*.index.json`` lists, all in its own folder."""
    listed = read_json(index, "index of weights").get("weight_map")
    names = set(listed.values()) if isinstance(listed, dict) else set()
    if not names or not all(isinstance(n, str) and Path(n).name == n for n in names):
        raise SERError(f"Bad index of weights {index}: expected names of files in its folder.")
    return sorted(names)

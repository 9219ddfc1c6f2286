"""Loading a model folder that anybody may have written. No code in it is run.

JSON and safetensors only: a bounded configuration becomes modules without memory, the header of
the weights is compared with them, then the numbers are read. ``hyperparams.yaml``,
``custom_interface.py`` and pickles are not opened. docs/model_format.md describes the folder.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import NoReturn

import torch

from ser_brain.core.errors import SERError, redacted
from ser_brain.core.files import SUMS, changed_files, read_text
from ser_brain.core.log import take_over
from ser_brain.inference.architecture import build_empty, read_weights
from ser_brain.inference.model_config import ModelConfig, parse_config
from ser_brain.inference.transformers_layout import (
    projector_shapes,
    require_identity,
    stored_name,
)
from ser_brain.models.model import EmotionModel

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


HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
TIMEOUT_S = 10


def find_model(source: str, revision: str | None = None) -> tuple[Path, str]:
    """The folder of a model, downloaded where need be, and what it is.

    Only what is read is fetched. A commit that the cache holds is not asked
    for again; where the hub cannot be reached, what the cache has of a branch is taken.

    Parameters
    ----------
    source : str
        Folder or hub id.
    revision : str, optional
        Branch, tag or commit of a hub id.

    Returns
    -------
    folder : Path
    found : str
        The folder's name, or ``name/model@commit``.

    Raises
    ------
    SERError
        If there is no such model.
    """
    folder = require_model_name(source, revision)
    if folder is not None:
        return folder, folder.resolve().name
    found = _snapshot(source, revision)
    return found, f"{source}@{found.name}"


def require_model_name(source: str, revision: str | None = None) -> Path | None:
    """The folder that a model is named by, or None where it is by a hub id; needs no torch.

    Raises
    ------
    SERError
        For what is neither, or a revision of a folder.
    """
    folder = Path(os.path.expanduser(source))  # which leaves a user that there is not
    if os.path.isdir(folder):
        if revision is not None:
            raise SERError(f"{source} is a folder, which has no revision {revision!r}.")
        return folder
    if not HUB_ID.fullmatch(source):
        raise SERError(
            f"No model at {source!r}; expected a folder that `ser export` wrote, or a hub id "
            "such as name/model."
        )
    return None


def _snapshot(source: str, revision: str | None) -> Path:
    import huggingface_hub as hub
    from huggingface_hub import errors

    take_over("huggingface_hub")
    wanted = {"revision": revision, "allow_patterns": [CONFIG, WEIGHTS, SUMS]}
    try:
        if revision is not None and COMMIT.fullmatch(revision):
            cached = [
                hub.try_to_load_from_cache(source, name, revision=revision)
                for name in (CONFIG, WEIGHTS)
            ]
            if all(isinstance(path, str) for path in cached):
                return Path(cached[0]).parent
        return Path(hub.snapshot_download(source, etag_timeout=TIMEOUT_S, **wanted))
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        at = f" at revision {revision}" if revision else ""
        raise SERError(
            f"Neither a local folder nor a public model of the hub{at}: {source!r}. Check its "
            "name, and log in with `hf auth login` if it is private or gated."
        ) from error
    except Exception as error:
        if status_of(error) == 401:
            raise SERError(
                f"{source!r} cannot be fetched: the hub does not accept the token (401). Log "
                "in again with `hf auth login`, and check HF_TOKEN, which comes first."
            ) from error
        raise SERError(
            f"{source!r} is no local folder, is not in the hub's cache, and cannot be fetched "
            f"({first_line(error)}). Where the hub can be reached, run: hf download {source} "
            "--local-dir DIR, and give the folder DIR."
        ) from error


def status_of(error: BaseException | None) -> int | None:
    """HTTP status of the answer that an error, or one it was raised from, is about."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return status
        error = error.__cause__
    return None


def first_line(error: BaseException) -> str:
    """What an error of the hub says first, without the token or a password."""
    import huggingface_hub as hub

    text = getattr(error, "server_message", None) or str(error)
    line = redacted((text.strip().splitlines() or [type(error).__name__])[0])
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        line += f" {first_line(error.__cause__)}"  # Which file; why is in the cause.
    token = hub.get_token()
    return line.replace(token, "***") if token else line

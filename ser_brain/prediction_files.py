"""The files of predictions: rows as lines of JSON, ids and embeddings as an archive of NumPy's.

Axes: N utterances, D embedding dimensions.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser_brain.errors import SERError
from ser_brain.files import atomic_path, open_regular, parse_json_line

MOST_BYTES = 2**18  # that one utterance can need in an archive


def write_rows(path: Path, rows: Sequence[Mapping]) -> None:
    """Write rows to a ``.jsonl``, atomically."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False, default=_plain_number)
            file.write(line + "\n")


def _plain_number(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a prediction")


def read_rows(path: Path) -> list[dict]:
    """Read the rows of a ``.jsonl``; parameters and errors as ``read_predictions``."""
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8") as file:
            return [parse_json_line(line, path, n) for n, line in enumerate(file, start=1)]
    except FileNotFoundError:
        raise SERError(f"No predictions at {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SERError(f"Cannot read the predictions {path}: {reason}.") from error


def write_embeddings(path: Path, ids: Sequence[str], embeddings_ND: np.ndarray) -> None:
    """Write embeddings and the ids they are of to a ``.npz``, atomically."""
    with atomic_path(path) as temporary:
        np.savez(temporary, ids=np.array(ids, dtype=str), embeddings=embeddings_ND)


def read_embeddings(path: Path, ids: list[str]) -> np.ndarray:
    """Read a ``.npz``, (N, D) float32, and check that it is of these ids in this order.

    Raises
    ------
    SERError
    """
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as content:
            unpacked = sum(part.file_size for part in content.zip.infolist())
            if unpacked > MOST_BYTES * (1 + len(ids)):
                raise ValueError(f"it unpacks to {unpacked} bytes")
            stored_ids = np.asarray(content["ids"]).tolist()
            embeddings_ND = np.asarray(content["embeddings"])
    except Exception as error:  # zipfile and NumPy raise a dozen kinds for a damaged archive
        raise SERError(f"Cannot read the embeddings {path}: {error}.") from error
    if stored_ids != ids:
        raise SERError(f"Bad embeddings {path}: its ids are not those of the .jsonl in order.")
    check_embeddings(embeddings_ND, len(ids), path)
    return embeddings_ND


def check_embeddings(embeddings_ND: np.ndarray, count: int, path: Path) -> None:
    """Stop at embeddings that are no (N, D) array of finite numbers.

    Raises
    ------
    SERError
    """
    if embeddings_ND.dtype.kind != "f":
        found = embeddings_ND.dtype
        raise SERError(f"Bad embeddings of {path}: found {found}, expected float.")
    if embeddings_ND.ndim != 2 or len(embeddings_ND) != count:
        raise SERError(
            f"Bad embeddings of {path}: found shape {embeddings_ND.shape}, expected "
            f"{count} rows and one column per dimension."
        )
    if not np.isfinite(embeddings_ND).all():
        raise SERError(f"Bad embeddings of {path}: some are NaN or infinite.")

"""The recordings of a corpus: whether they are there, and reading one.

Shapes: S samples.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import Tensor

from ser_brain import audio
from ser_brain.errors import SERError
from ser_brain.resampling import resampler

# Another recording of the same name rarely has the same length; the same one in another format
# may have what an encoder pads it with.
SAME_LENGTH_S = 0.1


def load_signal(
    wav: str,
    start_s: float | None,
    stop_s: float | None,
    rate_hz: int,
    duration_s: float | None = None,
) -> Tensor:
    """Read an utterance as mono at the encoder's rate.

    Parameters
    ----------
    wav : str
    start_s, stop_s : float or None
        Where it lies in the file; None is its start or end.
    rate_hz : int
        The encoder's.
    duration_s : float, optional
        How long it is, as the manifest says; anything is taken without.

    Returns
    -------
    Tensor, shape (S,), float32

    Raises
    ------
    SERError
        If the file cannot be read, is not as long as the manifest says, or holds values that
        are not finite.
    """
    try:
        samples, found_hz = audio.read(wav, start_s, stop_s)
    except audio.AudioProblem as problem:
        raise SERError(f"Cannot use {wav}: {problem}. Prepare the corpus again.") from None
    found_s = len(samples) / found_hz
    if duration_s is not None and abs(found_s - duration_s) > SAME_LENGTH_S:
        place = "" if start_s is None else f" from {start_s:g} s on"
        raise SERError(
            f"{wav} is not the recording that the manifest was made of: it holds {found_s:.2f} "
            f"s{place}, and the manifest says {duration_s:.2f} s. Give the --data_folder that "
            "the manifest was made of, or prepare the corpus again."
        )
    signal_S = torch.from_numpy(samples)
    if not torch.isfinite(signal_S).all():
        raise SERError(f"Cannot use {wav}: its samples are not all finite.")
    return signal_S if found_hz == rate_hz else resampler(found_hz, rate_hz)(signal_S)


def require_files(rows: Mapping[str, dict]) -> None:
    """Stop before a model runs if recordings are missing.

    Raises
    ------
    SERError
        Naming how many and the first three.
    """
    files = {row["wav"] for row in rows.values()}
    missing = sorted(file for file in files if not os.path.isfile(file))
    if missing:
        raise SERError(
            f"{len(missing)} of {len(files)} recordings are missing: {', '.join(missing[:3])}. "
            "Give the folder of the corpus with --data_folder, or prepare the corpus again."
        )

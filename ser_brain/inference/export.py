"""From a run folder to a model folder that stands alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from ser_brain.checksums import write_checksums
from ser_brain.errors import SERError
from ser_brain.files import PARTIAL, atomic_path, sync_folder, write_json, write_text
from ser_brain.inference.model import EmotionModel, require_finite, score_exactly
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.model_folder import CONFIG, WEIGHTS, load_model
from ser_brain.inference.onnx_file import NEEDED, write_onnx
from ser_brain.inference.onnx_model import ONNX, require_onnx
from ser_brain.inference.speechbrain_files import speechbrain_files
from ser_brain.inference.trained_run import read_trained
from ser_brain.inference.transformers_layout import (
    preprocessor_config,
    projector,
    published_config,
    stored_name,
)
from ser_brain.model_card import gather, write_card
from ser_brain.model_card.metadata import OTHER, require_licence

LARGEST_DIFFERENCE = 1e-5


@dataclass(frozen=True)
class Export:
    """A model folder that was written.

    Attributes
    ----------
    config : ModelConfig
    files : dict
        Path in the folder -> bytes.
    difference : float
        Largest, between any score of the run's model and of the folder's.
    onnx_difference : float or None
        The same of ``model.onnx``; None where it was not asked for.
    """

    config: ModelConfig
    files: dict[str, int]
    difference: float
    onnx_difference: float | None = None


def export(
    run: str | Path,
    folder: str | Path,
    name: str | None = None,
    results: Sequence[Path] = (),
    licence: str = OTHER,
    onnx: bool = False,
) -> Export:
    """Write the model folder of a run's best checkpoint, load it again and compare.

    Parameters
    ----------
    run : str or Path
        A run folder.
    folder : str or Path
        Must be missing or empty; it is either written whole or not at all.
    name : str, optional
        Of the model.
    results : sequence of Path
        Run folders or folds folders of the same recipe, whose results the card shows too.
    licence : str
        Of the model, as the hub names it.
    onnx : bool
        Write ``model.onnx`` too.

    Raises
    ------
    SERError
        If there is no trained run, the folder holds something, results are of another recipe,
        what was written does not score as the run does, or ONNX is asked for and missing.
    """
    require_licence(licence)
    if onnx:
        require_onnx(NEEDED)
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise SERError(f"{folder} is a file; name a folder to write the model into.")
    if folder.exists() and any(folder.iterdir()):
        raise SERError(f"{folder} is there and not empty; choose another, or remove it.")
    model, config = read_trained(Path(run), name)
    facts = gather(Path(run), config, results)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{PARTIAL}{folder.name}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.parent) as temporary:
            made = Path(temporary) / "model"
            write_folder(made, model, config)
            difference = largest_difference(model, made)
            onnx_difference = write_onnx(made / ONNX, model, config) if onnx else None
            write_card(made, facts, licence)
            write_checksums(made)
            if folder.exists():
                folder.rmdir()
            os.rename(made, folder)
            sync_folder(folder.parent)
    except OSError as error:
        raise SERError(f"Cannot write {folder}: {error.strerror or error}.") from error
    except SafetensorError as error:  # a full disk, among others
        raise SERError(f"Cannot write {folder}: {error}.") from error
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return Export(config, files, difference, onnx_difference)


def write_folder(folder: Path, model: EmotionModel, config: ModelConfig) -> None:
    """Write every file of a model folder but its card."""
    write_json(folder / CONFIG, published_config(config))
    write_json(folder / "preprocessor_config.json", preprocessor_config(config))
    for name, text in speechbrain_files(config).items():
        write_text(folder / name, text)
    weights = {stored_name(n, config): t.contiguous() for n, t in model.state_dict().items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file({**weights, **projector(config)}, temporary, {"format": "pt"})


def largest_difference(model: EmotionModel, folder: Path) -> float:
    """Load a folder and score noise with it and with the model it was made of.

    Raises
    ------
    SERError
        If they differ by more than rounding, or are not finite.
    """
    generator = torch.Generator().manual_seed(0)
    rate_hz = model.encoder.sample_rate_hz
    waveforms_BS = 0.1 * torch.randn(2, 2 * rate_hz, generator=generator)
    lengths_B = torch.tensor([2 * rate_hz, rate_hz])
    trained = score_exactly(model, waveforms_BS, lengths_B)
    config, again = load_model(folder)
    loaded = score_exactly(again, waveforms_BS, lengths_B)
    for scores in (trained, loaded):  # of NaN and a number, max() may give either
        require_finite(scores, config.name)
    difference = max(float((trained[key] - loaded[key]).abs().max()) for key in trained)
    if not difference <= LARGEST_DIFFERENCE:
        raise SERError(
            f"The exported model's scores differ from the run's by {difference:.1e}; nothing "
            "was written. Please report this with the run's hyperparams.yaml."
        )
    return difference

"""Export a run as a model folder that works without the run and without its base encoder."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from ser_brain import __version__
from ser_brain.core.errors import SERError
from ser_brain.core.files import (
    PARTIAL,
    RECORD,
    atomic_path,
    read_json,
    require_new,
    splits_of,
    sync_folder,
    write_checksums,
    write_json,
    write_text,
)
from ser_brain.data.experiment import Protocol
from ser_brain.evaluation.runs import FOLDS, parts_of, temperature_of
from ser_brain.inference.architecture import describe_encoder
from ser_brain.inference.int8 import INT8, Change, write_int8
from ser_brain.inference.labelled_clips import read_clips
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.model_folder import CONFIG, WEIGHTS, load_model
from ser_brain.inference.onnx import NEEDED, ONNX, require_onnx, write_onnx
from ser_brain.inference.transformers_layout import (
    preprocessor_config,
    projector,
    published_config,
    stored_name,
)
from ser_brain.models.encoders.lora import merge_lora, save_lora
from ser_brain.models.heads import folded
from ser_brain.models.model import EmotionModel, require_finite, score_exactly
from ser_brain.models.pooling import Standardizer
from ser_brain.publishing.card import write_card
from ser_brain.publishing.card_facts import ALL_HEADS, INNER_FOLDS, gather
from ser_brain.publishing.card_metadata import OTHER, require_licence
from ser_brain.publishing.ensemble import average_models, gather_ensemble, merged_splits
from ser_brain.publishing.speechbrain_export import speechbrain_files
from ser_brain.training.adapted import Adapter
from ser_brain.training.brain import SERBrain
from ser_brain.training.checkpoints import REFIT
from ser_brain.training.predict_corpus import load_run
from ser_brain.training.probe import Probe
from ser_brain.training.run import ADAPTER

PACKAGES = ("torch", "torchaudio", "speechbrain", "transformers", "safetensors", "numpy")
HEADS = {"emotion": "emotion_head", "valence_arousal": "va_head"}
LARGEST_DIFFERENCE = 1e-5  # of any score, between the run's model and the exported one


@dataclass(frozen=True)
class Export:
    """A model folder that was written.

    Attributes
    ----------
    config : ModelConfig
    files : dict
        Path in the folder -> bytes.
    difference : float
        The largest between any score of the run's model and of the folder's.
    onnx_difference : float or None
        The same of ``model.onnx``, if it was asked for.
    int8_change : Change or None
        How the answers of ``model.int8.onnx`` differ, if it was asked for.
    """

    config: ModelConfig
    files: dict[str, int]
    difference: float
    onnx_difference: float | None = None
    int8_change: Change | None = None


def export(
    run: str | Path,
    folder: str | Path,
    name: str | None = None,
    results: Sequence[Path] = (),
    licence: str = OTHER,
    onnx: bool = False,
    int8: Sequence[str] = (),
) -> Export:
    """Write the model folder of a run's best checkpoint, load it again and compare scores.

    Parameters
    ----------
    run : str or Path
        A run folder, or a folds folder, whose parts become one model.
    folder : str or Path
        Must be missing or empty. It is written either completely or not at all.
    name : str, optional
        Of the model.
    results : sequence of Path
        Run folders or folds folders of the same recipe, whose results the card shows, too.
    licence : str
        The hub's name of the model's licence.
    onnx : bool
        Write ``model.onnx``, too.
    int8 : sequence of str
        Folders, files, patterns or manifests of clips that calibrate ``model.int8.onnx``. With
        any, it is written beside ``model.onnx``.

    Raises
    ------
    SERError
        If there is no trained run, the folder is not empty, results are of another recipe, the
        exported model does not score as the run does, 8 bits change its answers too much, or
        the packages for ONNX are missing.
    """
    require_licence(licence)
    onnx = onnx or bool(int8)
    if onnx:
        require_onnx(NEEDED)
    folder = Path(folder)
    require_new(folder)
    run = Path(run)
    if (run / FOLDS).is_file():
        model, config = read_ensemble(run, name)
        facts = gather_ensemble(run, config, results)
    else:
        model, config = read_trained(run, name)
        facts = gather(run, config, results)
    clips = read_clips(int8, config.emotions)
    trained = _scores_of_noise(model)
    merge_lora(model.encoder)
    with written_whole(folder) as made:
        write_folder(made, model, config)
        _write_adapter(run, made / ADAPTER)
        difference = _largest_difference(trained, made)
        onnx_difference = write_onnx(made / ONNX, model, config) if onnx else None
        change = write_int8(made / INT8, made / ONNX, clips) if int8 else None
        write_card(made, facts, licence)
    return Export(config, sizes_of(folder), difference, onnx_difference, change)


def _write_adapter(run: Path, path: Path) -> None:
    """Write what adapts the model to clips without labels, if the run learned it."""
    parts = [part / ADAPTER for part in parts_of(run)[0].values()]
    if len(parts) == 1 and parts[0].is_file():
        shutil.copyfile(parts[0], path)
    elif all(part.is_file() for part in parts):
        Adapter.mean([Adapter.load(part) for part in parts]).save(path)


@contextlib.contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Give a folder to write a model into, which becomes ``folder`` once all is written.

    It lies beside it and is renamed at the end: half a model is never there.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{PARTIAL}{folder.name}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.parent) as temporary:
            made = Path(temporary) / "model"
            yield made
            write_checksums(made)
            if folder.exists():
                folder.rmdir()
            os.rename(made, folder)
            sync_folder(folder.parent)
    except (OSError, SafetensorError) as error:  # either may mean a full disk
        reason = getattr(error, "strerror", None) or error
        raise SERError(f"Cannot write {folder}: {reason}.") from error


def sizes_of(folder: Path) -> dict[str, int]:
    """Path of every file in a folder -> bytes."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def export_adapter(run: str | Path, folder: str | Path) -> dict[str, int]:
    """Write what a run with LoRA changed of its encoder; see :func:`save_lora`.

    Returns
    -------
    dict
        File -> bytes.

    Raises
    ------
    SERError
        If there is no trained run, it did not use LoRA, or the folder is not empty.
    """
    folder = Path(folder)
    require_new(folder)
    model, _ = read_trained(Path(run))
    save_lora(model.encoder, folder)
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def read_trained(run: Path, name: str | None = None) -> tuple[EmotionModel, ModelConfig]:
    """Build the model of a run's best checkpoint for use.

    It has the heads for which there were training labels. The weights of the emotion head are
    divided by the temperature, so that whatever loads them gives calibrated probabilities.

    Parameters
    ----------
    run : Path
        A run folder.
    name : str, optional
        Of the model; by default its training corpora and its encoder.

    Raises
    ------
    SERError
        If the folder contains no trained run, or one that is not finished.
    """
    record = run / RECORD
    if record.is_file() and read_json(record, "run description").get("finished") is False:
        # Its checkpoint would be newer than its results and its temperature.
        raise SERError(
            f"{run} is not finished, so its results are not those of its checkpoint. The "
            "command that trains it continues it."
        )
    brain, hparams = load_run(run, "cpu")
    checkpoint = brain.recover(min_key=brain.tested_key)
    splits = splits_of(run)
    protocol = Protocol.of(splits)
    temperature = temperature_of(run).get("temperature")
    tasks = list(protocol.tasks) or brain.tasks  # old runs do not name them
    for task in tasks:
        if not hasattr(getattr(brain.model, HEADS[task]), "linear"):
            raise SERError(
                f"{run} cannot be exported: the heads of a model folder are single linear "
                f"layers, and its {task} does not come from such a module named {HEADS[task]}."
            )
    encoder = brain.model.encoder
    record = read_json(run / RECORD, "run description")
    config = ModelConfig(
        name=name or f"{'+'.join(protocol.corpora)}-{encoder.name.split('/')[-1]}",
        encoder=describe_encoder(encoder),
        emotions=list(hparams["emotions"]) if "emotion" in tasks else [],
        va_range=[*map(float, hparams["va_range"])] if "valence_arousal" in tasks else None,
        pooling=brain.model.pool.kind,
        dimensions=list(hparams["dimensions"]),
        spectrum=getattr(brain.model.pool.spectrum, "name", None),
        card={
            "protocol": splits["protocol"],
            "experiment": hparams["experiment"],
            "seed": hparams["seed"],
            "emotion_map": hparams["emotion_map"],
            "vad_source": hparams["vad_source"],
            "temperature": temperature,
            "calibrated_by": _calibrated_by(checkpoint.meta, temperature),
            "refitted": _refitted(brain, checkpoint.meta),
            "base_encoder": encoder.name,
            "checkpoint": checkpoint.path.name,
            "training_data": training_data(splits),
            "test_sets": list(splits["tests"]),
            "commit": record.get("commit"),
            "versions": {
                "trained_with": record.get("versions", {}),
                "exported_with": {
                    "ser-recipes": __version__,
                    **{package: importlib.metadata.version(package) for package in PACKAGES},
                },
            },
        },
    )
    return _used_model(brain, config, temperature or 1.0), config


def _calibrated_by(meta: Mapping, temperature: float | None) -> str | None:
    """What made the emotion's probabilities honest, if anything did."""
    if meta.get("calibrated"):
        return INNER_FOLDS
    return None if temperature is None else "validation"


def _refitted(brain: SERBrain, meta: Mapping) -> str | None:
    """What was fitted once more at the end, to validation clips too; None: nothing was."""
    if REFIT not in meta:
        return None
    return ALL_HEADS if isinstance(brain, Probe) else "emotion head"


def read_ensemble(folder: Path, name: str | None = None) -> tuple[EmotionModel, ModelConfig]:
    """Average the best checkpoints of the parts of a folds folder into one model.

    Raises
    ------
    SERError
        If a part is not finished, or the parts differ in more than their heads.
    """
    paths, _ = parts_of(folder)
    parts = ((part, *read_trained(path)) for part, path in paths.items())
    model, config = average_models(parts, training_data(merged_splits(folder)))
    return model, replace(config, name=name or config.name)


def training_data(splits: dict) -> dict:
    """Describe the data that a model was trained and validated on, from ``splits.json``.

    Returns
    -------
    dict
        ``train`` and ``valid`` (utterances), ``sha256`` of the sorted ids of both, and
        ``corpora``: name -> title, licence, languages, fingerprint ...; {} for runs of early
        versions.
    """
    ids = sorted([*splits["train"], *splits["valid"]])
    used = {
        name: facts
        for name, facts in splits.get("corpora", {}).items()
        if facts["use"] == "train"
    }
    return {
        "train": len(splits["train"]),
        "valid": len(splits["valid"]),
        "sha256": hashlib.sha256("\n".join(ids).encode()).hexdigest(),
        "corpora": used,
    }


def _used_model(brain: SERBrain, config: ModelConfig, temperature: float) -> EmotionModel:
    trained = brain.model
    heads = (config.emotions, config.va_range, config.pooling, config.dimensions)
    model = EmotionModel(trained.encoder, *heads, config.spectrum)
    model.pool = trained.pool
    if model.emotion_head is not None:
        model.emotion_head = _folded(trained.emotion_head, trained.standardizer, temperature)
    if model.va_head is not None:
        model.va_head = _folded(trained.va_head, trained.standardizer)
    return model.eval().requires_grad_(False)


def _folded(
    head: nn.Module, standardizer: Standardizer | None, divisor: float = 1.0
) -> nn.Module:
    """Copy a head; fold the standardisation before it and the temperature after it into it."""
    made = copy.deepcopy(head)
    weight_OD, bias_O = folded(head.linear, standardizer, divisor)
    made.linear.weight = nn.Parameter(weight_OD.float())
    made.linear.bias = nn.Parameter(bias_O.float())
    return made


def write_folder(folder: Path, model: EmotionModel, config: ModelConfig) -> None:
    """Write every file of a model folder except its card."""
    write_json(folder / CONFIG, published_config(config))
    write_json(folder / "preprocessor_config.json", preprocessor_config(config))
    for name, text in speechbrain_files(config).items():
        write_text(folder / name, text)
    weights = {stored_name(n, config): t.contiguous() for n, t in model.state_dict().items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file({**weights, **projector(config)}, temporary, {"format": "pt"})


def _scores_of_noise(model: EmotionModel) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    rate_hz = model.encoder.sample_rate_hz
    waveforms_BS = 0.1 * torch.randn(2, 2 * rate_hz, generator=generator)
    return score_exactly(model, waveforms_BS, torch.tensor([2 * rate_hz, rate_hz]))


def _largest_difference(trained: dict[str, torch.Tensor], folder: Path) -> float:
    """Compare the scores of the run's model with those of a folder; refuse a difference."""
    config, again = load_model(folder)
    loaded = _scores_of_noise(again)
    for scores in (trained, loaded):  # max() of NaN and a number may return either
        require_finite(scores, config.name)
    difference = max(float((trained[key] - loaded[key]).abs().max()) for key in trained)
    if not difference <= LARGEST_DIFFERENCE:
        raise SERError(
            f"The exported model's scores differ from the run's by {difference:.1e}; nothing "
            "was written. Please report this with the run's hyperparams.yaml."
        )
    return difference

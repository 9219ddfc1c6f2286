"""The model of a run, and what its folder knows of it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from pathlib import Path

import torch
from torch import nn

from ser_brain import __version__
from ser_brain.brain import SERBrain
from ser_brain.errors import SERError
from ser_brain.files import read_json
from ser_brain.inference.architecture import describe_encoder
from ser_brain.inference.model import EmotionModel
from ser_brain.inference.model_config import ModelConfig
from ser_brain.outputs import temperature_of
from ser_brain.rerun import load_run
from ser_brain.run_folder import RECORD
from ser_brain.runs import FOLDS

PACKAGES = ("torch", "torchaudio", "speechbrain", "transformers", "safetensors", "numpy")
HEADS = {"emotion": "emotion_head", "valence_arousal": "va_head"}


def read_trained(run: Path, name: str | None = None) -> tuple[EmotionModel, ModelConfig]:
    """Build the model of a run's best checkpoint as it is used.

    Of its heads, those that some utterance was there to train; the emotion head's weights
    divided by the temperature, so that whatever reads them gives calibrated probabilities.

    Parameters
    ----------
    run : Path
        A run folder.
    name : str, optional
        Of the model; by default its training corpora and its encoder.

    Raises
    ------
    SERError
        If the folder holds no trained run, or one that goes on: its checkpoint would be newer
        than its results and its temperature.
    """
    if (run / FOLDS).is_file():
        parts = ", ".join(read_json(run / FOLDS, "folds description")["parts"].values())
        raise SERError(f"{run} holds several models; export one of its parts: {parts}.")
    _require_finished(run)
    brain, hparams = load_run(run, "cpu")
    checkpoint = brain.checkpointer.recover_if_possible(min_key=hparams["validation_metric"])
    if checkpoint is None:
        raise SERError(f"No trained checkpoint in {run}; train first.")
    splits = read_json(run / "splits.json", "split")
    protocol = splits["protocol"]
    temperature = temperature_of(run).get("temperature")
    tasks = _trained_tasks(protocol) or brain.tasks
    for task in tasks:
        if not hasattr(dict(brain.modules.items()).get(HEADS[task]), "linear"):
            raise SERError(
                f"{run} cannot be exported: a model folder holds heads of one linear layer, "
                f"and its {task} does not come from such a module named {HEADS[task]}."
            )
    encoder = brain.modules["encoder"]
    config = ModelConfig(
        name=name or f"{protocol.split('/')[0]}-{encoder.name.split('/')[-1]}",
        encoder=describe_encoder(encoder),
        emotions=list(hparams["emotions"]) if "emotion" in tasks else [],
        va_range=[*map(float, hparams["va_range"])] if "valence_arousal" in tasks else None,
        card={
            "protocol": protocol,
            "experiment": hparams["experiment"],
            "seed": hparams["seed"],
            "emotion_map": hparams["emotion_map"],
            "vad_source": hparams["vad_source"],
            "temperature": temperature,
            "base_encoder": encoder.name,
            "checkpoint": checkpoint.path.name,
            "training_data": training_data(splits),
            "test_sets": list(splits["tests"]),
            **_origin(run),
        },
    )
    return _used_model(brain, config, temperature or 1.0), config


def _trained_tasks(protocol: str) -> list[str]:
    """What some training utterance had a label for; nothing in some earlier runs."""
    named = {"emotion": r"/\d+-class", "valence_arousal": "valence-arousal"}
    return [task for task, words in named.items() if re.search(words, protocol)]


def _require_finished(run: Path) -> None:
    record = run / RECORD
    if record.is_file() and read_json(record, "run description").get("finished") is False:
        raise SERError(
            f"{run} has not come to its end, so its results are not those of its checkpoint. "
            "The command that trains it goes on with it."
        )


def training_data(splits: dict) -> dict:
    """What a model was trained and validated on, from ``splits.json``.

    Returns
    -------
    dict
        ``train`` and ``valid`` (utterances), ``sha256`` of the sorted ids of both, and
        ``corpora``: name -> title, licence, languages, fingerprint ...; {} of runs that are
        too old to say.
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


def _origin(run: Path) -> dict:
    record = read_json(run / RECORD, "run description")
    installed = {package: importlib.metadata.version(package) for package in PACKAGES}
    return {
        "commit": record.get("commit"),
        "versions": {
            "trained_with": record.get("versions", {}),
            "exported_with": {"ser-recipes": __version__, **installed},
        },
    }


def _used_model(brain: SERBrain, config: ModelConfig, temperature: float) -> EmotionModel:
    model = EmotionModel(brain.modules["encoder"], config.emotions, config.va_range)
    if model.emotion_head is not None:
        _copy_linear(brain.modules["emotion_head"], model.emotion_head, temperature)
    if model.va_head is not None:
        _copy_linear(brain.modules["va_head"], model.va_head)
    return model.eval().requires_grad_(False)


def _copy_linear(trained: nn.Module, used: nn.Module, divisor: float = 1.0) -> None:
    """Copy a head, whose bias is zero where it was trained without one."""
    with torch.no_grad():
        used.linear.weight.copy_(trained.linear.weight / divisor)
        bias = trained.linear.bias
        used.linear.bias.copy_(torch.zeros(()) if bias is None else bias / divisor)

"""Model folders of tiny encoders with random weights."""

from __future__ import annotations

from pathlib import Path

import torch

from ser_brain.inference.architecture import describe_encoder
from ser_brain.inference.model_config import ModelConfig
from ser_brain.models.model import EmotionModel
from ser_brain.publishing.export import write_folder
from tests.models.test_encoders import tiny

EMOTIONS = ["anger", "sadness", "neutral"]


def model_and_config(
    family: str = "wav2vec2-base",
    emotions: list[str] = EMOTIONS,
    va_range: list[float] | None = (1.0, 5.0),
    seed: int = 0,
    pooling: str = "mean",
    spectrum: str | None = None,
    **options,
) -> tuple[EmotionModel, ModelConfig]:
    """A model whose scores differ much from clip to clip, and its configuration."""
    encoder = tiny(family, seed=seed, **options).eval()
    va_range = None if va_range is None else list(va_range)
    described = describe_encoder(encoder)
    pools = {"pooling": pooling, "spectrum": spectrum}
    config = ModelConfig(f"tiny {family}", described, emotions, va_range, {}, **pools)
    torch.manual_seed(seed)
    model = EmotionModel(encoder, emotions, va_range, **pools)
    return model.eval().requires_grad_(False), config


def write_model(folder: Path, family: str = "wav2vec2-base", **options) -> EmotionModel:
    """Write a model folder; give the model it was made of."""
    model, config = model_and_config(family, **options)
    write_folder(folder, model, config)
    return model

"""Model folders of tiny encoders with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ser_brain.inference.architecture import describe_encoder
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.models.adaptation import LinearAdapter
from ser_brain.models.model import EmotionModel
from ser_brain.publishing.export import write_folder
from ser_brain.training.adapted import Adapter, head_fitter
from ser_brain.training.run import ADAPTER
from tests.inference.stand_in import RATE_HZ, noise
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


def tone(kind: int, seconds: float, seed: int = 0) -> np.ndarray:
    """A tone in noise, one of three kinds: high, middle, low."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pitch = 0.3 * np.sin(2 * np.pi * (3000, 900, 200)[kind] * times)
    return (pitch + noise(seconds, seed)).astype("float32")


def write_adapter(folder: Path) -> None:
    """Give a model folder an adapter, learned from tones of two made-up corpora.

    Each class has its pitch, as :func:`tone` makes it.
    """
    model = EmotionRecognizer.from_pretrained(folder, device="cpu")
    clips = [tone(seed % 3, seconds=0.3, seed=seed) for seed in range(24)]
    embeddings_ND = torch.tensor(
        [model.predict(clip, RATE_HZ, embedding=True)["embedding"] for clip in clips]
    )
    class_N = torch.arange(24) % len(model.emotions)
    corpora = [place // 12 for place in range(24)]
    fit = head_fitter(len(model.emotions))
    linear = LinearAdapter.fit(fit, embeddings_ND, class_N, corpora, corpora)
    Adapter(linear, True).save(folder / ADAPTER)


def write_model(folder: Path, family: str = "wav2vec2-base", **options) -> EmotionModel:
    """Write a model folder; give the model it was made of."""
    model, config = model_and_config(family, **options)
    write_folder(folder, model, config)
    return model

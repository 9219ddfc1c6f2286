"""A model folder with wav2vec2-base's architecture and random weights.

    python benchmarks/random_model.py DIR [--onnx]

Speed and the agreement of loaders do not depend on the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from material import CONFIG, EMOTIONS

from ser_brain.inference.architecture import describe_encoder
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.onnx import ONNX, write_onnx
from ser_brain.models.encoders import build_encoder
from ser_brain.models.model import EmotionModel
from ser_brain.publishing.export import write_folder

SPREAD = 5.0  # of the class head, so that clips get log-probabilities from 0 to about -5


def random_model() -> tuple[EmotionModel, ModelConfig]:
    """The model and its configuration; the weights are the same in every call."""
    torch.manual_seed(1)
    encoder = build_encoder(
        {
            "family": "wav2vec2",
            "name": "wav2vec2-base",
            "normalize": True,
            "freeze": "all",
            "config": CONFIG,
        }
    )
    card = {"protocol": "random weights, seed 1", "temperature": None}
    config = ModelConfig(
        "random-wav2vec2-base", describe_encoder(encoder), EMOTIONS, [1.0, 5.0], card
    )
    model = EmotionModel(encoder, config.emotions, config.va_range)
    with torch.no_grad():
        model.emotion_head.linear.weight.mul_(SPREAD)
    return model.eval().requires_grad_(False), config


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--onnx", action="store_true")
    arguments = parser.parse_args()
    model, config = random_model()
    write_folder(arguments.folder, model, config)
    if arguments.onnx:
        difference = write_onnx(arguments.folder / ONNX, model, config)
        print(f"largest difference of {ONNX}: {difference:.1e}")


if __name__ == "__main__":
    main()

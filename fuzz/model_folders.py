"""Model folders from unknown sources: configuration and weights."""

from __future__ import annotations

import json
import random
import struct
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch

from fuzz import _mutations
from fuzz._strategies import dumped, like
from ser_brain.inference.architecture import describe_encoder
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.model_folder import CONFIG, WEIGHTS
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.models.encoders.compact import CompactEncoder
from ser_brain.models.model import EmotionModel
from ser_brain.publishing.export import write_folder

EMOTIONS = ["anger", "sadness", "neutral"]
ONE_SECOND = np.random.default_rng(0).normal(0, 0.1, 16000)


@cache
def sound() -> dict[str, bytes]:
    """A compact model with random weights."""
    torch.manual_seed(0)
    encoder = CompactEncoder(channels=8, dilations=[1, 2]).eval()
    config = ModelConfig("made", describe_encoder(encoder), EMOTIONS, [1.0, 5.0], {})
    model = EmotionModel(encoder, EMOTIONS, [1.0, 5.0]).eval().requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder) / "model", model, config)
        return {
            name: (Path(folder) / "model" / name).read_bytes() for name in (CONFIG, WEIGHTS)
        }


def configurations() -> list[dict]:
    """Those of the valid model and of a transformer without weights."""
    import transformers

    speech = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        conv_dim=(16, 16), conv_kernel=(10, 32), conv_stride=(5, 32),
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    from ser_brain.inference.architecture import CONFIGS

    found = json.loads(sound()[CONFIG])
    config = {key: getattr(speech, key) for key in CONFIGS["wav2vec2"]}
    config = {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()}
    encoder = {
        "family": "wav2vec2", "name": "made", "layer": "last", "normalize": True,
        "config": config,
    }  # fmt: skip
    block = {**found["ser_brain"], "encoder": encoder}
    return [found, {**found, "ser_brain": block}]


def valid() -> list[dict[str, bytes]]:
    """The valid model."""
    return [sound()]


def mutated(case: Mapping[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Damage a field of the configuration, the header of the weights, or any byte."""
    where = rng.random()
    if where < 0.45:
        configuration = rng.choice(configurations())
        for _ in range(rng.choice((1, 1, 1, 2))):
            configuration = _mutations.changed(configuration, rng)
        return {**case, CONFIG: dumped(configuration)}
    if where < 0.75:
        data = case[WEIGHTS]
        (length,) = struct.unpack("<Q", data[:8])
        head, rest = data[8 : 8 + length], data[8 + length :]
        damage = _mutations.fields if rng.random() < 0.7 else _mutations.content
        head = damage(head, rng)
        said = len(head) if rng.random() < 0.9 else rng.choice((0, 7, 2**32, 2**63, 2**64 - 1))
        return {**case, WEIGHTS: struct.pack("<Q", said) + head + rest}
    return _mutations.mutated(case, rng)


def generated():
    """Any value in place of any part of a configuration."""
    from hypothesis import strategies as st

    documents = st.one_of([like(found) for found in configurations()])
    weights = st.just(sound()[WEIGHTS])
    return st.fixed_dictionaries({CONFIG: documents.map(dumped), WEIGHTS: weights})


def try_case(folder: Path) -> None:
    """Load the model, and if it loads, score a second of noise."""
    EmotionRecognizer.from_pretrained(str(folder), device="cpu").predict(ONE_SECOND, 16000)

"""What the benchmarks run on: clips as long as IEMOCAP's, wav2vec2-base with random weights.

Neither the content of the speech nor the values of the weights affect speed and memory.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16_000
EMOTIONS = ["anger", "happiness", "sadness", "neutral"]
CORPUS_CLIPS = 4400  # about what a split of IEMOCAP trains on
# facebook/wav2vec2-base as published: its config.json differs from the library's defaults in
# these (attention, hidden and projection dropout are 0.1 in both).
CONFIG = {"model_type": "wav2vec2", "layerdrop": 0.0, "activation_dropout": 0.0}


def durations(count: int = CORPUS_CLIPS) -> list[float]:
    """Lengths of clips in seconds, as in IEMOCAP: mean 4.5, from 0.6 to 30."""
    drawn_s = np.random.default_rng(1).lognormal(np.log(3.6), 0.67, count)
    return np.clip(drawn_s, 0.6, 30).round(3).tolist()


def write_clip(path: Path, duration_s: float, seed: int) -> None:
    """A voiced sound of changing pitch with noise, 16-bit mono at 16 kHz."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * (90 + 200 * rng.random()) * (time_s + 0.1 * np.sin(3 * time_s))
    sound = np.sin(phase) + 0.4 * np.sin(5 * phase) * np.sin(9 * time_s)
    samples = 0.2 * sound + 0.02 * rng.standard_normal(len(time_s))
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")


def write_corpus(folder: Path, chosen: dict[int, float]) -> dict[str, dict]:
    """Write clips (number -> seconds); returns rows as ``ser_brain.data.labelling`` does."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    for number, duration_s in chosen.items():
        wav = folder / f"{number:05d}.wav"
        write_clip(wav, duration_s, number)
        rows[f"made_{number:05d}"] = {
            "wav": str(wav), "start": None, "stop": None, "duration": duration_s,
            "sample_rate": RATE_HZ, "emotion": EMOTIONS[number % 4],
            "valence": None, "arousal": None,
        }  # fmt: skip
    return rows


def write_checkpoint(folder: Path) -> None:
    """wav2vec2-base with random weights, in the files of a published checkpoint."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(1)
    settings = {key: value for key, value in CONFIG.items() if key != "model_type"}
    Wav2Vec2Model(Wav2Vec2Config(**settings)).save_pretrained(folder)
    preprocessor = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "do_normalize": True, "feature_size": 1, "padding_value": 0.0,
        "return_attention_mask": False, "sampling_rate": RATE_HZ,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))

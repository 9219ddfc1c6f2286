"""The peak speed of the machine, and the operations that an encoder needs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn.functional import linear
from torch.utils.flop_counter import FlopCounterMode

from ser_brain.training.device import processor_name

# Rows, inner and outer size: the largest products of wav2vec2-base on 18 s, and a square one.
SHAPES = [(900, 768, 3072), (900, 3072, 768), (2048, 2048, 2048)]
REPEATS = 5


def describe(device: str) -> dict:
    """The processor or GPU, and the number of threads that torch uses."""
    return {
        "device": processor_name(device) if "cuda" in device else "cpu",
        "cpu": processor_name("cpu"),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
    }


def peaks(device: str) -> dict[str, float]:
    """Fastest matrix product of each kind, GFLOP/s."""
    found = {"fp32": _peak(device, torch.float32)}
    if device == "cpu":
        one = _peak(device, torch.float32, _product_of_onednn)
        found = {"fp32, MKL": found["fp32"], "fp32, oneDNN": one}
    found["bf16"] = _peak(device, torch.bfloat16)  # emulated where there are no units
    return {name: round(value, 1) for name, value in found.items()}


def _product_of_onednn(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")


def _peak(device: str, dtype: torch.dtype, product: Callable = linear) -> float:
    best = 0.0
    for rows, inner, outer in SHAPES:
        left = torch.randn(rows, inner, device=device, dtype=dtype)
        right = torch.randn(outer, inner, device=device, dtype=dtype)
        product(left, right)
        for _ in range(REPEATS):
            wait(device)
            began = time.perf_counter()
            product(left, right)
            wait(device)
            best = max(best, 2e-9 * rows * inner * outer / (time.perf_counter() - began))
    return best


def wait(device: str) -> None:
    """Wait until the GPU has finished."""
    if "cuda" in device:
        torch.cuda.synchronize(device)


def operations(encoder: torch.nn.Module, seconds: int = 5) -> dict[str, float]:
    """GFLOP (two for each multiply-add) for a second of audio, by part.

    ``front``: the convolutions; ``encode``: the rest, forward; ``step``: a training step on
    cached features, forward and backward.
    """
    samples = seconds * encoder.sample_rate_hz
    waveform, length = torch.randn(1, samples), torch.tensor([samples])

    def count(run) -> float:
        # The fused attention of a CPU is unknown to the counter.
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            with FlopCounterMode(display=False) as counter:
                run()
        return round(counter.get_total_flops() / 1e9 / seconds, 2)

    features, frames = encoder.front(waveform, length)
    features = features.detach()
    return {
        "front": count(lambda: encoder.front(waveform, length)),
        "encode": count(lambda: encoder.encode(features, frames)),
        "step": count(lambda: encoder.encode(features, frames).sum().backward()),
    }


def operations_of_encoders(wav2vec2: Path) -> dict[str, dict[str, float]]:
    """:func:`operations` of the encoders that the documentation names."""
    from transformers import WhisperConfig

    from ser_brain.models.encoders import build_encoder, load_encoder

    # As openai/whisper-base.
    whisper = WhisperConfig(d_model=512, encoder_layers=6, encoder_attention_heads=8)
    whisper.encoder_ffn_dim, whisper.num_mel_bins = 2048, 80
    settings = {"family": "whisper", "name": "whisper-base", "config": whisper.to_dict()}
    return {
        "wav2vec2-base": operations(load_encoder(wav2vec2)),
        "whisper-base": operations(build_encoder(settings)),
        "compact": operations(load_encoder("compact")),
    }

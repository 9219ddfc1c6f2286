"""What a model costs: parameters, bytes on disk, and time for a second of audio."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch

from ser_brain.core.log import get_logger
from ser_brain.data.corpora import Target
from ser_brain.data.manifest import read_manifest
from ser_brain.evaluation.runs import parts_of
from ser_brain.inference.judge import waveform
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.models.encoders.functionals import Functionals
from ser_brain.publishing.export import read_trained
from ser_brain.training.device import processor_name

logger = get_logger(__name__)
CLIPS = 20
ROUNDS = 4  # the first is a warm-up
WEIGHTS = (".safetensors", ".bin", ".ckpt", ".onnx")


def cost_of(
    recognizer: EmotionRecognizer, clips: Sequence[np.ndarray], folder: Path | None = None
) -> dict:
    """Measure a model on some clips, one clip after the other.

    Parameters
    ----------
    recognizer : EmotionRecognizer
    clips : sequence of numpy.ndarray
        Of :func:`clips_of`.
    folder : Path, optional
        The model's folder. Without one, its bytes are those of an export.

    Returns
    -------
    dict
        ``parameters``, ``bytes``, ``real_time_factor`` (seconds for a second of audio),
        ``times_functionals`` (its time over that of our functionals, which take turns with
        it), ``clips``, ``audio_s``, ``processor``, ``threads``; or ``not_measured``, why.
    """
    shortest, longest = recognizer.min_samples or 0, recognizer.max_samples or math.inf
    clips = [clip_S for clip_S in clips if shortest <= len(clip_S) <= longest]
    if not clips:
        return {"not_measured": "no clip has a length that the model takes"}
    logger.info(f"{recognizer.name}: measuring size and speed on {len(clips)} clips")
    return {**_size(recognizer, folder), **_speed(recognizer, clips)}


def run_cost(run: Path, clips: Sequence[np.ndarray]) -> dict:
    """Measure the model of a run, or of the first of several folds, on the CPU."""
    part = next(iter(parts_of(run)[0].values()))
    model, config = read_trained(part)
    return cost_of(EmotionRecognizer(config, model, "cpu", str(part)), clips)


def _size(recognizer: EmotionRecognizer, folder: Path | None) -> dict[str, int | None]:
    parameters = recognizer.parameters
    files = [] if folder is None else [p for p in folder.glob("*") if p.suffix in WEIGHTS]
    on_disk = sum(path.stat().st_size for path in files)
    return {"parameters": parameters or None, "bytes": on_disk or 4 * parameters}


def _speed(recognizer: EmotionRecognizer, clips: Sequence[np.ndarray]) -> dict:
    device = recognizer.device
    reference = Functionals().to(device)
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for clip_S in clips:
            recognizer.score([clip_S])
        between = time.perf_counter()
        with torch.inference_mode():
            for clip_S in clips:
                clip_1S = torch.from_numpy(clip_S)[None].to(device)
                reference(clip_1S, torch.tensor([len(clip_S)], device=device))[0].cpu()
        times.append((between - begin, time.perf_counter() - between))
    audio_s = sum(map(len, clips)) / recognizer.sample_rate_hz
    return {
        "real_time_factor": median(own for own, _ in times[1:]) / audio_s,
        "times_functionals": median(own / other for own, other in times[1:]),
        "clips": len(clips),
        "audio_s": round(audio_s, 1),
        "processor": processor_name(device),
        "threads": torch.get_num_threads(),
    }


def clips_of(target: Target) -> list[np.ndarray]:
    """Some clips from all over a corpus: waveforms (S,) at 16 kHz."""
    manifest = read_manifest(target.manifest)
    folder = manifest.data_folder(target.data_folder)
    rows = [
        {**entry, "wav": str(folder / entry["wav"])}
        for _, entry in sorted(manifest.entries.items())
        if all(entry.get(key) == value for key, value in target.where.items())
    ]
    chosen = rows[:: max(1, len(rows) // CLIPS)][:CLIPS]
    return [waveform(row, Functionals.sample_rate_hz) for row in chosen]

"""How fast clips are scored, compared with SpeechBrain's own recipe.

    python benchmarks/scoring.py [--clips 24] [--rounds 5] [--json FILE] [--device cuda]

Both sides score the same made-up clips, as long as IEMOCAP's, from files, with wav2vec2-base
and the same random weights, in turn: A B A B. The reference scores random batches of 4. The
last rows are ours in ways that `ser predict` does not use on a CPU; bf16 is measured where the
device has units for it, or with --bf16. A difference is the largest one of a log-probability
from that of the same model on the single clip. The last lines say how a clip of 3 s compares
with one of 30 s, and how close we come to the machine's fastest matrix product. Run nothing
else meanwhile: ratios of CPU time are valid on a busy machine, too, those of seconds are not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path

import machine
import numpy as np
import soundfile
import torch
from material import EMOTIONS, durations, write_checkpoint, write_corpus
from reference import BATCH_SIZE, brain

from ser_brain.inference.architecture import describe_encoder
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.predict import batches, predict, score_all
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.segments import Segmentation
from ser_brain.models.encoders import build_encoder, load_encoder
from ser_brain.models.model import EmotionModel
from ser_brain.training.device import MKL, has_bf16, use_fast_products

REFERENCE, OURS = "reference: random batches of 4", "ser predict"
ROUNDED = "ser predict --precision bf16"
SPREAD = 5.0  # of both heads, so that clips get log-probabilities from 0 to about -5


def recognizer_of(
    encoder: torch.nn.Module, device: str, precision: str = "fp32"
) -> EmotionRecognizer:
    """An encoder with a random class head."""
    torch.manual_seed(1)
    model = EmotionModel(encoder, EMOTIONS).eval().requires_grad_(False)
    model.emotion_head.linear.weight.mul_(SPREAD)
    config = ModelConfig("made", describe_encoder(encoder), EMOTIONS, None, {})
    return EmotionRecognizer(config, model, device, "made", precision)


def with_fast_products(score: Callable, device: str) -> Callable:
    """Multiply as our commands do; the reference keeps the defaults of PyTorch."""

    def scored():
        use_fast_products(device)
        try:
            return score()
        finally:
            torch.backends.mkldnn.matmul.fp32_precision = MKL

    return scored


class Reference:
    """SpeechBrain's lobe, mean and linear layer, with the weights of our class head."""

    def __init__(self, checkpoint: Path, ours: EmotionRecognizer, device: str):
        self.brain = brain(checkpoint, {"device": device})
        self.brain.modules.eval()
        with torch.no_grad():
            weight = ours.model.emotion_head.linear.weight
            self.brain.modules.output_mlp.w.weight.copy_(weight)

    def score(self, waves: list[np.ndarray]) -> np.ndarray:
        """One padded batch."""
        padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(w) for w in waves], True)
        lengths = torch.tensor([len(wave) for wave in waves])
        batch = _Batch(padded, lengths / lengths.max())
        with torch.no_grad():
            return self.brain.compute_forward(batch, None).cpu().numpy()

    def random_fours(self, files: list[Path]) -> np.ndarray:
        """Score random batches of 4; scores are in the order of the files."""
        order = np.random.default_rng(1).permutation(len(files))
        scores = np.zeros((len(files), len(EMOTIONS)))
        for first in range(0, len(order), BATCH_SIZE):
            places = order[first : first + BATCH_SIZE]
            scores[places] = self.score([_read(files[place]) for place in places])
        return scores


class _Batch:
    def __init__(self, padded: torch.Tensor, shares: torch.Tensor):
        self.signal = padded, shares

    def to(self, device: str) -> _Batch:
        self.signal = tuple(tensor.to(device) for tensor in self.signal)
        return self


def _read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def ours(recognizer: EmotionRecognizer, files: list[Path]) -> None:
    """As ``ser predict`` does it, from files to rows."""
    for _ in predict(recognizer, dict.fromkeys(files, 0), Segmentation()):
        pass


def in_batches(recognizer: EmotionRecognizer, files: list[Path], most_s: float) -> np.ndarray:
    """Batches of similar length, each on all cores; with 0 s, one clip at a time."""
    waves = [_read(path) for path in files]
    scores = np.zeros((len(files), len(EMOTIONS)))
    for places in batches([len(wave) for wave in waves], round(most_s * 16_000)):
        found = recognizer.score([waves[place] for place in places])
        scores[places] = [one.log_probabilities for one in found]
    return scores


def whisper_cost(device: str, rounds: int) -> dict[str, float]:
    """Seconds for clips of 3 s and 30 s with the architecture of whisper-base."""
    config = {"model_type": "whisper", "d_model": 512, "encoder_layers": 6}
    config |= {"encoder_attention_heads": 8, "encoder_ffn_dim": 2048, "num_mel_bins": 80}
    encoder = build_encoder({"family": "whisper", "name": "whisper-base", "config": config})
    recognizer = recognizer_of(encoder, device)
    rng = np.random.default_rng(1)
    found = {seconds: [] for seconds in (3, 30)}
    for _ in range(rounds + 1):
        for seconds, times in found.items():
            wave = 0.1 * rng.standard_normal(seconds * 16_000).astype(np.float32)
            began = time.perf_counter()
            recognizer.score([wave])
            times.append(time.perf_counter() - began)
    return {f"{s} s": statistics.median(times[1:]) for s, times in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="in bf16, too, if emulated")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    device = "cuda:0" if chosen.device == "cuda" else chosen.device
    lengths_s = durations(chosen.clips)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        rows = write_corpus(home / "clips", dict(enumerate(lengths_s)))
        write_checkpoint(home / "checkpoint")
        files = [Path(row["wav"]) for row in rows.values()]
        encoder = load_encoder(home / "checkpoint", freeze="all").eval()
        recognizer = recognizer_of(encoder, device)
        reference = Reference(home / "checkpoint", recognizer, device)
        waves = [_read(path) for path in files]
        single = {
            REFERENCE: np.concatenate([reference.score([wave]) for wave in waves]),
            OURS: np.stack([recognizer.score([wave])[0].log_probabilities for wave in waves]),
        }
        scorers = {OURS: recognizer}
        if chosen.bf16 or has_bf16(device):
            scorers[ROUNDED] = recognizer_of(deepcopy(encoder), device, "bf16")
        sides = {name: partial(ours, scorer, files) for name, scorer in scorers.items()} | {
            "one by one on all cores": lambda: in_batches(recognizer, files, 0),
            "batches of 20 s": lambda: in_batches(recognizer, files, 20),
            "batches of 60 s": lambda: in_batches(recognizer, files, 60),
        }
        sides = {name: with_fast_products(score, device) for name, score in sides.items()}
        sides = {REFERENCE: lambda: reference.random_fours(files), **sides}
        times: dict[str, list[float]] = {name: [] for name in sides}
        cpu: dict[str, list[float]] = {name: [] for name in sides}
        differences = {}
        for _ in range(chosen.rounds):
            for name, score in sides.items():
                began, began_cpu = time.perf_counter(), time.process_time()
                found = score()
                times[name].append(time.perf_counter() - began)
                cpu[name].append(time.process_time() - began_cpu)
                if found is None:  # its rows are rounded
                    found = [s.log_probabilities for s in score_all(scorers[name], waves)]
                alone = single[REFERENCE if name == REFERENCE else OURS]
                differences[name] = float(abs(found - alone).max())
        operations = machine.operations(load_encoder(home / "checkpoint"))
    report = {
        "machine": machine.describe(device),
        "clips": chosen.clips,
        "audio_s": sum(lengths_s),
        "seconds": times,
        "median_s": {name: statistics.median(each) for name, each in times.items()},
        "median_cpu_s": {name: statistics.median(each) for name, each in cpu.items()},
        "difference": differences,
        "whisper_s": whisper_cost(device, chosen.rounds),
        "gflop_per_audio_s": operations,
        "peak_gflops": machine.peaks(device),
    }
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=1))
    show(report)


def show(report: dict) -> None:
    """The table and what it means."""
    audio_s, medians, cpu = report["audio_s"], report["median_s"], report["median_cpu_s"]
    print(f"{report['clips']} clips, {audio_s:.0f} s; {report['machine']}")
    for name, median_s in medians.items():
        times = report["seconds"][name]
        print(
            f"{name:31s} {medians[REFERENCE] / median_s:4.1f} x "
            f"(CPU time {cpu[REFERENCE] / cpu[name]:.1f} x), "
            f"{audio_s / median_s:.1f} x real time, {median_s:.2f} s "
            f"({min(times):.2f} to {max(times):.2f}), "
            f"largest difference {report['difference'][name]:.1e}"
        )
    short_s, long_s = report["whisper_s"].values()
    print(
        f"Whisper: 3 s take {short_s:.3f} s, 30 s {long_s:.3f} s: {short_s / long_s:.2f} of it"
    )
    forward = report["gflop_per_audio_s"]["front"] + report["gflop_per_audio_s"]["encode"]
    peak = max(rate for name, rate in report["peak_gflops"].items() if "fp32" in name)
    reached = forward * audio_s / medians[OURS]
    print(f"{OURS}: {reached:.0f} GFLOP/s of {peak:.0f} that a matrix product reaches")


if __name__ == "__main__":
    main()

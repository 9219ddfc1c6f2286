"""How fast clips are embedded for a probe, compared with the usual loop of Hugging Face.

    python benchmarks/embedding.py [--clips 24] [--rounds 3] [--whisper FOLDER] [--json FILE]

Both sides take mean and standard deviation of every hidden state over the true length of the
same made-up clips, as long as IEMOCAP's, from files. Both have the same weights: random ones in
the architectures of whisper-base (or those of --whisper) and wav2vec2-base. The loop pads
batches of 8 clips in the order of the files with the model's own feature extractor; ours are
batches of similar length. Each side and round is a process of its own, in turn: A B A B;
loading does not count. A difference is the largest one from the embedding of the single clip
on the same side, relative to the root mean square of all numbers. Ratios of CPU time are valid
on a busy machine, too, those of seconds are not.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
import torch
from material import RATE_HZ, durations, write_checkpoint, write_corpus

BATCH_SIZE = 8  # of the loop
FRAME = 320  # samples of a frame of Whisper
LOOP, OURS = "Hugging Face's loop", "ours"


class HuggingFaceLoop:
    """Feature extractor, model, statistics over the frames of each clip."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoFeatureExtractor, AutoModel

        self.extractor = AutoFeatureExtractor.from_pretrained(folder)
        model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.is_whisper = model.config.model_type == "whisper"
        self.model = model.encoder if self.is_whisper else model

    def embed(self, rows: list[dict], batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Embeddings, (N, F)."""
        found = []
        for first in range(0, len(rows), batch_size):
            files = [row["wav"] for row in rows[first : first + batch_size]]
            found += self._embed_batch(
                [soundfile.read(wav, dtype="float32")[0] for wav in files]
            )
        return np.stack(found)

    @torch.inference_mode()
    def _embed_batch(self, waves: list[np.ndarray]) -> list[np.ndarray]:
        # Whisper takes 30 s, whatever the length of a clip.
        padding = "max_length" if self.is_whisper else True
        inputs = self.extractor(
            waves, sampling_rate=RATE_HZ, padding=padding, return_tensors="pt"
        )
        states = self.model(**inputs, output_hidden_states=True).hidden_states
        frames_BTF = torch.cat(states, dim=-1)
        lengths = [len(wave) for wave in waves]
        if self.is_whisper:
            counts = [-(-length // FRAME) for length in lengths]
        else:
            counts = [int(self.model._get_feat_extract_output_lengths(n)) for n in lengths]
        clips = [frames_BTF[row, :count] for row, count in enumerate(counts)]
        return [torch.cat([x.mean(0), x.std(0, correction=0)]).numpy() for x in clips]


class Ours:
    """The encoder, pooling and batches of a probe, without its cache."""

    def __init__(self, folder: Path) -> None:
        from ser_brain.models.encoders import load_encoder
        from ser_brain.models.model import EmotionModel
        from ser_brain.models.pooling import Pooling
        from ser_brain.training.device import use_fast_products
        from ser_brain.training.feature_cache import EmbeddingCache

        use_fast_products("cpu")
        encoder = load_encoder(str(folder), freeze="all", layer="all")
        model = EmotionModel.from_modules(encoder, Pooling(encoder.dim, "mean_std")).eval()
        self.cache = EmbeddingCache(model, 0, "cpu")

    def embed(self, rows: list[dict], batch_size: int | None = None) -> np.ndarray:
        """Embeddings, (N, F); with a batch size of 1, one clip at a time."""
        numbered = dict(enumerate(rows))
        batches = (
            self.cache.batches(numbered) if batch_size is None else [[n] for n in numbered]
        )
        found = {}
        for batch in batches:
            computed = self.cache.compute([rows[n] for n in batch])
            found |= {n: each[0] for n, each in zip(batch, computed, strict=True)}
        return np.stack([found[n] for n in numbered])


SIDES = {LOOP: HuggingFaceLoop, OURS: Ours}


def measure(side: str, folder: Path, rows: list[dict], alone: bool) -> dict[str, float]:
    """Embed all clips once; ``alone``: also each by itself, to compare."""
    model = SIDES[side](folder)
    model.embed(rows[:1])
    began, began_cpu = time.perf_counter(), time.process_time()
    together_NF = model.embed(rows)
    found = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - began_cpu}
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if alone:
        largest = np.abs(model.embed(rows, 1) - together_NF).max()
        found["difference"] = float(largest / np.sqrt(np.square(together_NF).mean()))
    return found


def write_whisper(folder: Path) -> None:
    """Write whisper-base with random weights, in the files of a published checkpoint."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    config = WhisperConfig(d_model=512, encoder_layers=6, encoder_attention_heads=8)
    config.encoder_ffn_dim, config.decoder_layers, config.num_mel_bins = 2048, 1, 80
    config.decoder_attention_heads = 8
    torch.manual_seed(1)
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)


def main() -> None:
    """Measure both sides in turn, with each encoder, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--whisper", type=Path, help="a folder with a published Whisper")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    report = {}
    with tempfile.TemporaryDirectory() as home:
        home = Path(home)
        os.environ["SER_CACHE"] = str(home / "cache")
        lengths_s = dict(enumerate(durations(chosen.clips)))
        rows = [*write_corpus(home / "clips", lengths_s).values()]
        encoders = {name: home / name for name in ("whisper-base", "wav2vec2-base")}
        write_checkpoint(encoders["wav2vec2-base"])
        if chosen.whisper is None:
            write_whisper(encoders["whisper-base"])
        else:
            encoders["whisper-base"] = chosen.whisper
        print(f"{len(rows)} clips, {sum(lengths_s.values()):.0f} s")
        for name, folder in encoders.items():
            found: dict[str, list[dict]] = {side: [] for side in SIDES}
            for turn in range(chosen.rounds):
                for side, results in found.items():
                    spawn = multiprocessing.get_context("spawn")
                    with ProcessPoolExecutor(1, mp_context=spawn) as process:
                        task = process.submit(measure, side, folder, rows, turn == 0)
                        results.append(task.result())
            report[name] = found
            show(name, found, len(rows))
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=1))


def show(name: str, found: dict[str, list[dict]], clips: int) -> None:
    """A line for each side; medians over the rounds."""
    median = {
        side: {key: statistics.median(r[key] for r in results) for key in ("wall_s", "cpu_s")}
        for side, results in found.items()
    }
    for side, results in found.items():
        seconds = [r["wall_s"] for r in results]
        print(
            f"{name}, {side + ':':20s} {clips / median[side]['wall_s']:5.2f} clips/s "
            f"({clips / max(seconds):.2f} to {clips / min(seconds):.2f}), "
            f"{median[LOOP]['wall_s'] / median[side]['wall_s']:4.1f} x "
            f"(CPU time {median[LOOP]['cpu_s'] / median[side]['cpu_s']:.1f} x), "
            f"peak {max(r['peak_mb'] for r in results):,.0f} MB, "
            f"largest difference {results[0]['difference']:.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""How small and fast a probe can be: cut encoders, small encoders, 8 bits, students.

    python benchmarks/small_models.py results/emodb results/urdu \\
        --manifests results/manifests --work results/small \\
        --encoder WHISPER_BASE --small WHISPER_TINY [--int8 | --speed]

Each folder is one of `ser folds hparams/probe/classification.yaml --protocol speaker`; its
splits are used, and its heads are fitted again on parts of the embedding. All models are tested
on the same clips: UAR with an interval over speakers, and the difference from the whole model,
paired.

With --int8, 8 bits are calibrated on 64 clips of the other corpora and measured on the test
clips, by the heads of the float32 model. A student learns from the whole model's answers on the
training clips, without their labels, and on all clips of the other corpora.

With --speed nothing of this, but time and size: all models score the same clips one by one, one
thread, in turn, beside SpeechBrain's recipe with random batches of 4. Ratios of CPU time are
valid on a busy machine, too.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from material import write_checkpoint
from scoring import Reference, recognizer_of

from ser_brain.data.corpora import Target
from ser_brain.data.labelling import LabelChoice, label_target
from ser_brain.evaluation.evaluate import RESAMPLES
from ser_brain.evaluation.metrics import uar
from ser_brain.evaluation.significance import (
    clusters_of,
    interval,
    paired_permutation_test,
    resample,
)
from ser_brain.inference.architecture import describe_encoder
from ser_brain.inference.int8 import quantize
from ser_brain.inference.judge import waveform
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.onnx import OnnxModel, write_onnx
from ser_brain.models.encoders import load_encoder
from ser_brain.models.model import EmotionModel, score_exactly
from ser_brain.models.pooling import Pooling
from ser_brain.training.discriminant import averaged_discriminant
from ser_brain.training.feature_cache import EmbeddingCache
from ser_brain.training.probe import views_of

EMOTIONS = ["anger", "happiness", "sadness", "neutral"]
RIDGES = (0.001, 0.01)  # of hparams/probe
RATE_HZ, SPECTRUM, CALIBRATION = 16_000, 240, 64
DECAYS = (10.0, 1.0, 0.1)
BASE, TINY = "base", "tiny"
# Name -> encoder and its hidden states that are read; None: all, the default of hparams/probe.
VARIANTS = {
    "base, all layers": (BASE, None),
    "base, layers 2 to 4": (BASE, [2, 3, 4]),
    "base, layers 2 and 3": (BASE, [2, 3]),
    "base, layers 0 to 3": (BASE, [0, 1, 2, 3]),
    "base, layer 3": (BASE, [3]),
    "tiny.en, all layers": (TINY, None),
    "tiny.en, layers 1 to 3": (TINY, [1, 2, 3]),
    "tiny.en, layers 1 and 2": (TINY, [1, 2]),
}
WHOLE = "base, all layers"
IN_8_BITS = [WHOLE, "base, layers 2 to 4", "base, layers 2 and 3", "tiny.en, layers 1 to 3"]
TIMED = [WHOLE, "base, layers 2 to 4", "base, layers 2 and 3", "tiny.en, layers 1 to 3"]
STUDENTS = ["tiny.en, layers 1 to 3"]
STUDENT_FOLDS = 2  # of each corpus, as a student learns from four times as many clips


def model_of(source: str, layer: str | list[int], emotions: list[str]) -> EmotionModel:
    """An encoder, the pooling and spectrum of hparams/probe, and a random head if any."""
    encoder = load_encoder(source, freeze="all", layer=layer)
    torch.manual_seed(1)
    model = EmotionModel(encoder, emotions, pooling="mean_std", spectrum="log_mel")
    return model.eval().requires_grad_(False)


def write_graph(path: Path, model: EmotionModel, emotions: list[str]) -> OnnxModel:
    described = describe_encoder(model.encoder)
    pools = {"pooling": "mean_std", "spectrum": "log_mel"}
    write_onnx(path, model, ModelConfig("made", described, emotions, None, {}, **pools))
    return OnnxModel(path, threads=1)


def score(graph: OnnxModel, wave_S: np.ndarray) -> dict[str, np.ndarray]:
    return graph(wave_S[None], np.array([len(wave_S)]))


# -- accuracy


class Corpus:
    """Clips of a corpus in one order, their embeddings, and folds of their places."""

    def __init__(self, folds: Path, manifests: Path):
        parts = sorted(folds.glob("fold-*/splits.json"))
        splits = [json.loads(part.read_text("utf-8")) for part in parts]
        (self.name,) = splits[0]["tests"]
        choice = LabelChoice(
            EMOTIONS, {"excitement": "happiness"}, (1.0, 5.0), "corpus", "emotion"
        )
        target = Target(manifests / f"{self.name}.json")
        self.rows = label_target(target, choice, 1)[0].rows
        place = {i: n for n, i in enumerate(self.rows)}
        self.folds = [
            (
                np.array([place[i] for i in (*split["train"], *split["valid"])]),
                np.array([place[i] for i in split["tests"][self.name]]),
            )
            for split in splits
        ]
        self.class_N = np.array([EMOTIONS.index(r["emotion"]) for r in self.rows.values()])
        self.speakers = [row["speaker"] for row in self.rows.values()]
        self.embeddings: dict[str, np.ndarray] = {}


def columns(states: int, width: int, used: list[int]) -> np.ndarray:
    """Places of some hidden states in the embedding of all, with the spectrum."""
    parts = [
        np.arange(width) + (half * states + state) * width for half in (0, 1) for state in used
    ]
    return np.concatenate([*parts, np.arange(SPECTRUM) + 2 * states * width])


def gaussian(x_ND: np.ndarray, class_N: np.ndarray, speakers: list, used: list[int]):
    """The head that hparams/probe fits to clips of these classes: weights and biases."""
    x_ND = torch.from_numpy(x_ND)
    width = (x_ND.shape[1] - SPECTRUM) // (2 * len(used))
    encoder = SimpleNamespace(used=used, layer=used, dim=width * len(used))
    pool = SimpleNamespace(dim=x_ND.shape[1], frames_dim=x_ND.shape[1] - SPECTRUM)
    views = views_of(SimpleNamespace(encoder=encoder, pool=pool))
    weight_N = torch.from_numpy(1 / np.bincount(class_N, minlength=len(EMOTIONS))[class_N])
    found = averaged_discriminant(
        lambda: [(x_ND, torch.from_numpy(class_N), weight_N)],
        len(EMOTIONS),
        speakers,
        torch.stack([*views.values()]),
        RIDGES,
    )
    return found.weight_ED.numpy(), found.bias_E.numpy()


def soft(x_ND: np.ndarray, shares_NE: np.ndarray):
    """Logistic regression on a teacher's probabilities; a fifth chooses the decay."""
    x_ND, shares_NE = torch.from_numpy(x_ND).double(), torch.from_numpy(shares_NE)
    held_N = torch.from_numpy(np.random.default_rng(0).random(len(x_ND)) < 0.2)

    def fit(rows_N: torch.Tensor, decay: float):
        head = torch.nn.Linear(x_ND.shape[1], len(EMOTIONS)).double()
        torch.nn.init.zeros_(head.weight)
        optimizer = torch.optim.LBFGS(
            head.parameters(), max_iter=80, line_search_fn="strong_wolfe"
        )

        def closure():
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(head(x_ND[rows_N]), shares_NE[rows_N])
            loss = loss + 0.5 * decay * head.weight.square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        return head.requires_grad_(False)

    def held_out(decay: float) -> float:
        head = fit(~held_N, decay)
        loss = torch.nn.functional.cross_entropy(head(x_ND[held_N]), shares_NE[held_N])
        return float(loss)

    head = fit(torch.ones_like(held_N), min(DECAYS, key=held_out))
    return head.weight.numpy(), head.bias.numpy()


def probabilities(head, x_ND: np.ndarray) -> np.ndarray:
    logits_NE = torch.from_numpy(x_ND @ head[0].T + head[1])
    return torch.softmax(logits_NE, dim=1).numpy()


def embed(
    corpora: list[Corpus], sources: dict[str, str], work: Path, in_8_bits: bool
) -> dict[str, tuple]:
    """Fill in the embeddings, and those in 8 bits; encoder -> states and their width."""
    shapes = {}
    for name, source in sources.items():
        model = model_of(source, "all", [])
        cache = EmbeddingCache(
            EmotionModel.from_modules(
                model.encoder, Pooling(model.encoder.dim, "mean_std", "log_mel")
            ).eval(),
            20,
            "cpu",
        )
        states = len(model.encoder.used)
        shapes[name] = states, model.encoder.dim // states
        for corpus in corpora:
            corpus.embeddings[name] = cache.matrix(corpus.rows, False).astype(np.float64)
        files = {c.name: work / f"{name}-{c.name}-int8.npy" for c in corpora}
        missing = [c for c in corpora if not files[c.name].is_file()] if in_8_bits else []
        if missing:
            write_graph(work / "float.onnx", model, [])
        for corpus in corpora:
            if corpus in missing:
                others = [r for c in corpora if c is not corpus for r in c.rows.values()]
                drawn = random.Random(0).sample(others, CALIBRATION)
                waves = [waveform(row, RATE_HZ) for row in drawn]
                quantize(work / "int8.onnx", work / "float.onnx", waves)
                graph = OnnxModel(work / "int8.onnx", threads=1)
                rows = corpus.rows.values()
                found = [score(graph, waveform(r, RATE_HZ))["embedding"][0] for r in rows]
                np.save(files[corpus.name], np.stack(found))
                print(f"{name} {corpus.name}: embedded in 8 bits", flush=True)
            if files[corpus.name].is_file():
                found_ND = np.load(files[corpus.name], allow_pickle=False)
                corpus.embeddings[f"{name}, int8"] = found_ND.astype(np.float64)
    return shapes


def answers(corpora: list[Corpus], shapes: dict[str, tuple]) -> dict[str, dict]:
    """Model -> corpus -> the class that each test clip is given, in the corpus's order."""
    found: dict[str, dict] = {}
    for corpus in corpora:
        others = [c for c in corpora if c is not corpus]
        given = {}
        for number, (train_N, test_N) in enumerate(corpus.folds):
            speakers = [corpus.speakers[n] for n in train_N]
            for name, (encoder, used) in VARIANTS.items():
                states, width = shapes[encoder]
                used = [*range(states)] if used is None else used
                cut_D = columns(states, width, used)
                x_ND = corpus.embeddings[encoder][:, cut_D]
                mean_D, deviation_D = x_ND[train_N].mean(0), x_ND[train_N].std(0)
                scaled_ND = (x_ND - mean_D) / deviation_D
                head = gaussian(scaled_ND[train_N], corpus.class_N[train_N], speakers, used)
                answered = {name: probabilities(head, scaled_ND[test_N])}
                if name == WHOLE:
                    teacher = partial(_teach, encoder, cut_D, mean_D, deviation_D, head)
                if name in IN_8_BITS and f"{encoder}, int8" in corpus.embeddings:
                    x_MD = corpus.embeddings[f"{encoder}, int8"][test_N][:, cut_D]
                    x_MD = (x_MD - mean_D) / deviation_D
                    answered[f"{name}, int8"] = probabilities(head, x_MD)
                if name in STUDENTS and number < STUDENT_FOLDS:
                    own_ND = corpus.embeddings[encoder][:, cut_D]
                    x_ND = [c.embeddings[encoder][:, cut_D] for c in others]
                    x_ND = np.concatenate([own_ND[train_N], *x_ND])
                    taught = [teacher(corpus)[train_N], *map(teacher, others)]
                    taught_NE = np.concatenate(taught)
                    mean_D, deviation_D = x_ND.mean(0), x_ND.std(0)
                    x_ND = (x_ND - mean_D) / deviation_D
                    x_MD = (own_ND[test_N] - mean_D) / deviation_D
                    spoken = [*speakers, *(s for c in others for s in c.speakers)]
                    heads = {
                        "classes": gaussian(x_ND, taught_NE.argmax(1), spoken, used),
                        "kl": soft(x_ND, taught_NE),
                    }
                    for how, fitted in heads.items():
                        answered[f"{name}, student, {how}"] = probabilities(fitted, x_MD)
                for key, shares_ME in answered.items():
                    whole_N = given.setdefault(key, np.full(len(corpus.class_N), -1))
                    whole_N[test_N] = shares_ME.argmax(1)
        for key, answered_N in given.items():
            found.setdefault(key, {})[corpus.name] = answered_N
        print(f"{corpus.name}: done", flush=True)
    return found


def _teach(encoder, cut_D, mean_D, deviation_D, head, corpus: Corpus) -> np.ndarray:
    x_ND = (corpus.embeddings[encoder][:, cut_D] - mean_D) / deviation_D
    return probabilities(head, x_ND)


def show_accuracy(corpora: list[Corpus], found: dict[str, dict]) -> dict:
    """A line for each model; UAR, its interval, and the difference from the whole model."""
    report: dict[str, dict] = {}
    for name, given in found.items():
        line, values = report.setdefault(name, {}), []
        tested = [corpus for corpus in corpora if corpus.name in given]
        for corpus in tested:
            tested_N = given[corpus.name] >= 0
            clusters = clusters_of(
                [s for s, t in zip(corpus.speakers, tested_N, strict=True) if t]
            )
            one_NK, other_NK = (
                _cells(corpus.class_N[tested_N], g[corpus.name][tested_N])
                for g in (given, found[WHOLE])
            )
            drawn_BK = resample(one_NK, clusters, RESAMPLES, np.random.default_rng(0))
            low_high = interval(_uar(drawn_BK), clusters.count)
            paired = paired_permutation_test(
                one_NK, other_NK, clusters, {"uar": _uar}, np.random.default_rng(0)
            )
            values.append(float(_uar(one_NK.sum(0)[None])[0]))
            line[corpus.name] = {"uar": values[-1], "interval": low_high, "p": paired["uar"]}
            line[corpus.name]["difference"] = values[-1] - float(_uar(other_NK.sum(0)[None])[0])
            line[corpus.name]["same"] = float(
                (given[corpus.name] == found[WHOLE][corpus.name])[tested_N].mean()
            )
        line["mean"] = float(np.mean(values))
        told = "  ".join(f"{c.name} {_told(line[c.name])}" for c in tested)
        print(f"{name:42s} mean {line['mean']:.3f}  {told}", flush=True)
    return report


def _told(one: dict) -> str:
    low, high = one["interval"]
    between = "" if low is None else f" ({low:.3f} to {high:.3f})"
    change = f"{one['difference']:+.3f}, p {one['p']:.3f}, same {one['same']:.3f}"
    return f"{one['uar']:.3f}{between} {change};"


def _cells(true_N: np.ndarray, answered_N: np.ndarray) -> np.ndarray:
    cells_NK = np.zeros((len(true_N), len(EMOTIONS) ** 2))
    cells_NK[np.arange(len(true_N)), true_N * len(EMOTIONS) + answered_N] = 1
    return cells_NK


def _uar(sums_XK: np.ndarray) -> np.ndarray:
    return uar(sums_XK.reshape(*sums_XK.shape[:-1], len(EMOTIONS), len(EMOTIONS)))


# -- time and size


def measure_speed(corpora: list[Corpus], sources: dict[str, str], clips: int, rounds: int):
    """Seconds of CPU for a second of audio, and megabytes, of every model."""
    rows = [row for corpus in corpora for row in corpus.rows.values()]
    drawn = random.Random(1).sample(rows, clips + 16)
    waves = [waveform(row, RATE_HZ) for row in drawn]
    waves, calibration = waves[:clips], waves[clips:]
    seconds = sum(map(len, waves)) / RATE_HZ
    ways, sizes = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for number, name in enumerate(TIMED):
            encoder, used = VARIANTS[name]
            model = model_of(sources[encoder], "all" if used is None else used, EMOTIONS)
            ways[name] = partial(_one_by_one, partial(_torch, model), waves)
            sizes[name] = 4e-6 * sum(tensor.numel() for tensor in model.state_dict().values())
            file, small = folder / f"{number}.onnx", folder / f"{number}-int8.onnx"
            graph = write_graph(file, model, EMOTIONS)
            ways[f"{name}, ONNX"] = partial(_one_by_one, partial(score, graph), waves)
            sizes[f"{name}, ONNX"] = file.stat().st_size / 1e6
            quantize(small, file, calibration)
            graph = OnnxModel(small, threads=1)
            ways[f"{name}, int8"] = partial(_one_by_one, partial(score, graph), waves)
            sizes[f"{name}, int8"] = small.stat().st_size / 1e6
        write_checkpoint(folder / "wav2vec2")
        recognizer = recognizer_of(load_encoder(folder / "wav2vec2"), "cpu")
        reference = Reference(folder / "wav2vec2", recognizer, "cpu")
        ways["SpeechBrain's recipe"] = partial(_fours, reference, waves)
        sizes["SpeechBrain's recipe"] = 4e-6 * sum(
            tensor.numel() for tensor in recognizer.model.state_dict().values()
        )
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for way in ways.values():
            way(2)
        for _ in range(rounds):
            for name, way in ways.items():
                began = time.process_time()
                way(None)
                taken[name].append((time.process_time() - began) / seconds)
    whole = np.median(taken[WHOLE])
    for name, values in taken.items():
        print(
            f"{name:36s} {sizes[name]:6.1f} MB  {np.median(values):.4f} CPU s/s "
            f"({min(values):.4f} to {max(values):.4f})  {whole / np.median(values):5.2f} x",
            flush=True,
        )
    return {"sizes_mb": sizes, "cpu_s_per_s": taken, "clips": clips, "seconds": seconds}


def _one_by_one(scored, waves: list[np.ndarray], first: int | None) -> None:
    for wave_S in waves[:first]:
        scored(wave_S)


def _torch(model: EmotionModel, wave_S: np.ndarray) -> None:
    score_exactly(model, torch.from_numpy(wave_S)[None], torch.tensor([len(wave_S)]))


def _fours(reference: Reference, waves: list[np.ndarray], first: int | None) -> None:
    for begin in range(0, len(waves[:first]), 4):
        reference.score(waves[begin : begin + 4])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folds", nargs="+", type=Path)
    parser.add_argument("--manifests", type=Path, required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--small", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--int8", action="store_true", help="also in 8 bits, which takes long")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.work.mkdir(parents=True, exist_ok=True)
    corpora = [Corpus(folds, chosen.manifests) for folds in chosen.folds]
    sources = {BASE: chosen.encoder, TINY: chosen.small}
    if chosen.speed:
        report = measure_speed(corpora, sources, chosen.clips, chosen.rounds)
        (chosen.work / "speed.json").write_text(json.dumps(report, indent=1))
        return
    shapes = embed(corpora, sources, chosen.work, chosen.int8)
    found = answers(corpora, shapes)
    (chosen.work / "answers.json").write_text(json.dumps(found, default=np.ndarray.tolist))
    report = show_accuracy(corpora, found)
    (chosen.work / "accuracy.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

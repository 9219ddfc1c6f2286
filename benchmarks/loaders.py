"""Do all loaders of a model folder agree, and how long does each take?

    python benchmarks/loaders.py MODEL CLIP... [--run RUN] [--repeats 5] [--json FILE]

Each loader gets its own processes, without network, and scores the clips one by one; ONNX
Runtime gets them as one padded batch, which should make no difference. Clips are mono WAV or
FLAC at the model's rate. Differences are from the run's own model with --run, otherwise from
EmotionRecognizer. Load times are medians: of a second load in the same process, and from the
start of the process to the end of the first load, imports included.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
from machine import describe


def _recognizer(model: str):
    from ser_brain import EmotionRecognizer

    def load():
        recognizer = EmotionRecognizer.from_pretrained(model, device="cpu")
        return lambda clip: recognizer.score([clip])[0].log_probabilities

    return load


def _foreign_class(model: str):
    import torch
    from speechbrain.inference.interfaces import foreign_class

    def load():
        found = foreign_class(
            model, pymodule_file="custom_interface.py", classname="EmotionInterface"
        )
        return lambda clip: found.forward(torch.from_numpy(clip)[None])["log_probabilities"][0]

    return load


def _transformers(model: str):
    import torch
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

    def load():
        found = AutoModelForAudioClassification.from_pretrained(model)
        extract = AutoFeatureExtractor.from_pretrained(model)
        rate = extract.sampling_rate

        def score(clip):
            inputs = extract(clip, sampling_rate=rate, return_tensors="pt")
            with torch.no_grad():
                return found(**inputs).logits[0].log_softmax(-1)

        return score

    return load


def _pipeline(model: str):
    from transformers import pipeline

    def load():
        found = pipeline("audio-classification", model, top_k=None)
        order = {name: place for place, name in found.model.config.id2label.items()}

        def score(clip):
            rows = sorted(found(clip), key=lambda row: order[row["label"]])
            return np.log([row["score"] for row in rows])

        return score

    return load


def _onnxruntime(model: str):
    import onnxruntime

    def load():
        path = str(Path(model) / "model.onnx")
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda clips: _in_one_batch(session, clips)

    return load


def _in_one_batch(session, clips: list[np.ndarray]) -> np.ndarray:
    lengths = np.array([len(clip) for clip in clips])
    padded = np.full((len(clips), lengths.max()), 100.0, np.float32)  # padding may be anything
    for row, clip in enumerate(clips):
        padded[row, : len(clip)] = clip
    feed = {"waveforms": padded, "lengths": lengths}
    return session.run(["log_probabilities"], feed)[0]


def _run(run: str):
    import torch

    from ser_brain.models.model import score_exactly
    from ser_brain.publishing.export import read_trained

    def load():
        model, _ = read_trained(Path(run))

        def score(clip):
            wave, length = torch.from_numpy(clip)[None], torch.tensor([len(clip)])
            return score_exactly(model, wave, length)["log_probabilities"][0]

        return score

    return load


SHOWN = 100  # of an error
LOADERS = {
    "EmotionRecognizer": _recognizer,
    "SpeechBrain foreign_class": _foreign_class,
    "transformers AutoModel": _transformers,
    "transformers pipeline": _pipeline,
    "ONNX Runtime, one batch": _onnxruntime,
}


def child(how: str, source: str, clips: list[str]) -> None:
    """Load twice, score, and print JSON."""

    def refuse(*_, **__):
        raise OSError("sockets are blocked")

    socket.socket.connect = socket.socket.connect_ex = refuse
    socket.create_connection = socket.getaddrinfo = refuse
    load = {**LOADERS, "run": _run}[how](source)
    load()
    from_start_s = time.time() - float(os.environ["BENCHMARK_START"])
    began = time.perf_counter()
    score = load()
    load_s = time.perf_counter() - began
    waves = [soundfile.read(path, dtype="float32")[0] for path in clips]
    found = score(waves) if how == "ONNX Runtime, one batch" else [score(w) for w in waves]
    log_probs = np.stack([np.asarray(row) for row in found]).tolist()
    json.dump(
        {"from_start_s": from_start_s, "load_s": load_s, "log_probs": log_probs}, sys.stdout
    )


def measure(how: str, source: str, clips: list[str], repeats: int) -> dict:
    """A loader's times and log-probabilities, or why it cannot load the model."""
    found = []
    for _ in range(repeats):
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "BENCHMARK_START": str(time.time())}
        done = subprocess.run(
            [sys.executable, __file__, "--child", how, source, *clips],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "Error: " in line]
            return {"failed": (said or done.stderr.strip().splitlines())[-1][:SHOWN]}
        found.append(json.loads(done.stdout))
    times = {
        name: {
            "median": statistics.median(one[name] for one in found),
            "all": [round(one[name], 3) for one in found],
        }
        for name in ("load_s", "from_start_s")
    }
    return {**times, "log_probs": np.array(found[0]["log_probs"])}


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], sys.argv[4:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--run", help="the run that the model was exported from")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    results = {how: measure(how, chosen.model, chosen.clips, chosen.repeats) for how in LOADERS}
    expected = results["EmotionRecognizer"]["log_probs"]
    if chosen.run:
        of_run = measure("run", chosen.run, chosen.clips, 1)
        if "failed" in of_run:
            sys.exit(f"{chosen.run}: {of_run['failed']}")
        expected = of_run["log_probs"]
    for result in results.values():
        if "log_probs" in result:
            found = result.pop("log_probs")
            result["log_probability"] = float(abs(found - expected).max())
            result["probability"] = float(abs(np.exp(found) - np.exp(expected)).max())
    sizes = {path.name: path.stat().st_size for path in Path(chosen.model).iterdir()}
    report = {
        "model": Path(chosen.model).name,
        "clips": len(chosen.clips),
        "compared_with": "the run" if chosen.run else "EmotionRecognizer",
        "bytes": sizes,
        "machine": describe("cpu"),
        "loaders": results,
    }
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=1))
    print(f"{report['model']}: {report['clips']} clips, against {report['compared_with']}")
    for how, result in results.items():
        if "failed" in result:
            print(f"{how:26s} {result['failed']}")
            continue
        print(
            f"{how:26s} log-probability {result['log_probability']:.1e}, "
            f"probability {result['probability']:.1e}; "
            f"load {result['load_s']['median']:.2f} s, "
            f"from process start {result['from_start_s']['median']:.1f} s"
        )
    large = {name: size for name, size in sizes.items() if size > 1e5}
    print(", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in large.items()))


if __name__ == "__main__":
    main()

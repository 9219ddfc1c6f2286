"""How fast is `ser predict`, how much memory does it need, and are its scores right?

    python benchmarks/predict.py MODEL FOLDER [--clips 300] [--minutes 20 120] [--json FILE]

Scores the first clips of a folder, and long recordings made of these clips in windows of 4 s.
Each measurement is a command of its own, start-up and loading included; memory is the largest
resident set of its process. Then some clips, and windows cut out of the recordings, are scored
one by one and compared with the rows that were written.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from machine import describe

WINDOW_S = 4
COMPARED = 300


def concatenate(clips: list[Path], minutes: float, path: Path) -> Path:
    """Write clips of one rate, repeated as often as needed, as one recording (FLAC)."""
    rate = soundfile.info(clips[0]).samplerate
    missing = round(minutes * 60 * rate)
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        while missing > 0:
            for clip in clips:
                samples, found = soundfile.read(clip, dtype="int16", always_2d=True)
                if found != rate:
                    sys.exit(f"{clip} is at {found} Hz, the first clip at {rate}")
                file.write(samples[:missing, 0])
                missing -= len(samples[:missing])
    return path


def command(inputs: list[str], out: Path, model: str, *options: str) -> dict:
    """Run ``ser predict``; returns seconds and memory."""
    words = [sys.executable, "-m", "ser_brain", "predict", *inputs, "--model", model]
    words += ["--device", "cpu", "--out", str(out), *options]
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(said)
    return {
        "wall_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }


def largest_difference(rows: list[dict], model: str) -> float:
    """Largest difference between written scores and those of the same audio scored alone."""
    from ser_brain import EmotionRecognizer

    recognizer = EmotionRecognizer.from_pretrained(model, device="cpu")
    largest = 0.0
    for row in rows:
        rate = soundfile.info(row["file"]).samplerate
        start, stop = (round(float(row[name]) * rate) for name in ("start", "stop"))
        samples, _ = soundfile.read(row["file"], start=start, stop=stop, dtype="float32")
        alone = recognizer.predict(samples, rate)
        pairs = [(row[f"p_{name}"], p) for name, p in (alone["probabilities"] or {}).items()]
        if alone["valence"] is not None:
            pairs += [(row[name], alone[name]) for name in ("valence", "arousal")]
        largest = max(largest, *(abs(float(written) - p) for written, p in pairs))
    return largest


def read(path: Path) -> list[dict]:
    """Rows of a CSV file."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def some(rows: list[dict]) -> list[dict]:
    """At most COMPARED rows, evenly spaced."""
    places = np.linspace(0, len(rows) - 1, min(len(rows), COMPARED)).astype(int)
    return [rows[place] for place in places]


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--minutes", type=float, nargs="*", default=[20, 120])
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    clips = sorted(p for p in chosen.folder.rglob("*") if p.suffix in (".wav", ".flac"))
    clips = clips[: chosen.clips]
    results = {"model": Path(chosen.model).name, "machine": describe("cpu"), "runs": {}}
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        out = home / "clips.csv"
        found = command(list(map(str, clips)), out, chosen.model)
        seconds = sum(soundfile.info(clip).duration for clip in clips)
        found["difference"] = largest_difference(some(read(out)), chosen.model)
        results["runs"][f"{len(clips)} clips"] = report(found, seconds, len(clips))
        for minutes in chosen.minutes:
            path = concatenate(clips, minutes, home / f"{minutes:g}.flac")
            out = home / f"{minutes:g}.csv"
            found = command([str(path)], out, chosen.model, "--window", str(WINDOW_S))
            rows = read(out)
            found["difference"] = largest_difference(some(rows), chosen.model)
            name = f"one recording of {minutes:g} min"
            results["runs"][name] = report(found, minutes * 60, len(rows))
    for name, run in results["runs"].items():
        print(f"{name:28s}", ", ".join(f"{key} {value:g}" for key, value in run.items()))
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1))


def report(found: dict, seconds: float, pieces: int) -> dict:
    """The measurements, with rates."""
    return {
        "audio_s": round(seconds),
        "pieces": pieces,
        **found,
        "times_real_time": round(seconds / found["wall_s"], 1),
        "pieces_per_s": round(pieces / found["wall_s"], 1),
    }


if __name__ == "__main__":
    main()

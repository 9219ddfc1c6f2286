"""Conversations with known turns, from the clips of corpora, and how well turns are found.

    python benchmarks/conversations.py OUT MANIFEST ... [--recordings 5] [--turns 24] [--seed 0]
    ser predict OUT --model MODEL --window 2 --hop 0.5 --reference OUT/turns.csv

Clips of one to four speakers of a corpus follow one another in a random order, with pauses of
0.2 to 1 s. OUT gets a WAV file for each conversation and ``turns.csv`` (file, start, stop,
speaker, emotion). If the weights for ``--diarise`` are installed, prints for each number of
speakers the diarisation error rate in per cent of the time of the clips (NIST 2009, without a
collar; what is silent within a clip counts as missed), and the part of it that is confusion of
speakers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
from scipy.optimize import linear_sum_assignment

from ser_brain.core.errors import SERError
from ser_brain.core.files import write_text
from ser_brain.core.tables import csv_text
from ser_brain.data import audio
from ser_brain.data.manifest import read_manifest
from ser_brain.data.segment_tables import Part, read_segments
from ser_brain.inference.diarise import Diariser, load_voice_encoder
from ser_brain.inference.segments import load_speech_detector

RATE_HZ = 16_000
PAUSE_S = (0.2, 1.0)
SPEAKERS = (1, 2, 3, 4)
FRAMES_PER_S = 100
FEWEST_CLIPS = 8  # of a speaker


def clips_of(path: str) -> dict[str, list[tuple[Path, str]]]:
    """Speaker -> audio file and emotion of each of their clips."""
    manifest = read_manifest(path)
    found: dict[str, list[tuple[Path, str]]] = {}
    for entry in manifest.located(manifest.data_folder()).values():
        label = next(iter(entry["labels"].values()))["emotion"]
        if entry["speaker"] and label:
            found.setdefault(entry["speaker"], []).append((Path(entry["wav"]), label))
    return {name: clips for name, clips in found.items() if len(clips) >= FEWEST_CLIPS}


def converse(
    out: Path, clips: dict[str, list], speakers: int, turns: int, rng: np.random.Generator
) -> list[list]:
    """Write a conversation; returns the rows of its table."""
    chosen = rng.choice(sorted(clips), speakers, replace=False)
    pieces, rows, at = [], [], 0
    for _ in range(turns):
        name = str(rng.choice(chosen))
        path, emotion = clips[name][rng.integers(len(clips[name]))]
        samples_S = audio.resample(*audio.read(path), RATE_HZ)
        pause_S = np.zeros(round(rng.uniform(*PAUSE_S) * RATE_HZ), np.float32)
        rows.append([out.name, at / RATE_HZ, (at + len(samples_S)) / RATE_HZ, name, emotion])
        pieces += [samples_S, pause_S]
        at += len(samples_S) + len(pause_S)
    soundfile.write(out, np.concatenate(pieces), RATE_HZ)
    return rows


def diarisation_errors(true: list[Part], found: list[Part]) -> tuple[float, float, float]:
    """Seconds of all errors, of confusion, and of speech."""
    end = round(max(part.stop_s for part in [*true, *found]) * FRAMES_PER_S) + 1
    true_NF, found_NF = (frames(parts, end) for parts in (true, found))
    agreed_NN = true_NF @ found_NF.T
    both = np.minimum(true_NF.sum(0), found_NF.sum(0)).sum()
    most = np.maximum(true_NF.sum(0), found_NF.sum(0)).sum()
    right = agreed_NN[linear_sum_assignment(-agreed_NN)].sum()
    return tuple(float(n) / FRAMES_PER_S for n in (most - right, both - right, true_NF.sum()))


def frames(parts: list[Part], end: int) -> np.ndarray:
    names = sorted({part.facts["speaker"] for part in parts})
    speaks_NF = np.zeros((len(names), end))
    for part in parts:
        start, stop = round(part.start_s * FRAMES_PER_S), round(part.stop_s * FRAMES_PER_S)
        speaks_NF[names.index(part.facts["speaker"]), start:stop] = 1
    return speaks_NF


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("manifests", nargs="+")
    parser.add_argument("--recordings", type=int, default=5, help="of each number of speakers")
    parser.add_argument("--turns", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rng, rows, groups = np.random.default_rng(arguments.seed), [], {}
    for manifest in arguments.manifests:
        clips = clips_of(manifest)
        for speakers in SPEAKERS:
            for n in range(arguments.recordings):
                path = arguments.out / f"{Path(manifest).stem}_{speakers}_{n}.wav"
                rows += converse(path, clips, speakers, arguments.turns, rng)
                groups.setdefault((Path(manifest).stem, speakers), []).append(path)
    head = ["file", "start", "stop", "speaker", "emotion"]
    write_text(arguments.out / "turns.csv", csv_text([head, *rows]))
    turns = read_segments(arguments.out / "turns.csv").parts
    try:
        detector, voices = load_speech_detector(), load_voice_encoder()
    except SERError as error:
        print(error)
        return
    for (corpus, speakers), paths in groups.items():
        errors = np.zeros(3)
        for path in paths:
            found = Diariser(detector, voices.windows, speakers).turns(path)
            errors += diarisation_errors(turns[path], found)
        der, confusion = 100 * errors[:2] / errors[2]
        print(f"| {corpus} | {speakers} | {der:.1f} | {confusion:.1f} |", flush=True)


if __name__ == "__main__":
    main()

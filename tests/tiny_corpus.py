"""A tiny corpus that can be learned: tones whose pitch and level tell the emotion."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import train

EMOTIONS = {  # pitch in Hz, level, valence, arousal
    "anger": (400, 0.8, 1.5, 4.5),
    "happiness": (600, 0.5, 4.5, 4.0),
    "sadness": (120, 0.1, 1.5, 1.5),
    "neutral": (200, 0.3, 3.0, 3.0),
}
RATE_HZ = 16000
TINY = {"csv": "labels.csv", "vad_scale": [1, 5]}  # the options with which it is prepared


def write_corpus(folder: Path, speakers: int = 6, clips: int = 2, seed: int = 0) -> Path:
    """Write ``labels.csv`` and wavs: each speaker says ``clips`` clips of each emotion."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "emotion", "speaker", "valence", "arousal", "text"])
        for speaker in range(speakers):
            for emotion, (pitch_hz, level, valence, arousal) in EMOTIONS.items():
                for clip in range(clips):
                    name = f"s{speaker}_{emotion}_{clip}.wav"
                    time_s = np.arange(int(RATE_HZ * generator.uniform(0.3, 0.7))) / RATE_HZ
                    tone = level * np.sin(2 * np.pi * pitch_hz * time_s)
                    tone += 0.01 * generator.standard_normal(len(time_s))
                    soundfile.write(folder / name, tone.astype("float32"), RATE_HZ)
                    table.writerow([name, emotion, f"s{speaker}", valence, arousal, f"t{clip}"])
    return folder


def settings(
    folder: Path, output: Path, corpus: str = "tiny", **overrides: object
) -> list[str]:
    """Command-line overrides that train on such a corpus for two short epochs."""
    options = f"{{name: {corpus}, csv: labels.csv, vad_scale: [1, 5]}}"
    chosen = {
        "corpora": f"[{{corpus: table, data_folder: '{folder}', options: {options}}}]",
        "output_folder": output,
        "manifest_folder": output.parent / "manifests",
        "number_of_epochs": 2,
        "batch_size": 8,
        **overrides,
    }
    return [f"--{key}={value}" for key, value in chosen.items()]


def run_train(recipe: str, *arguments: str) -> int:
    """The exit code of ``python train.py``, on the CPU."""
    file = Path(train.__file__).parent / "hparams" / recipe
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", str(file), "--device=cpu", *arguments])
        return train.main()


def loaded(path: Path):
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def epochs(folder: Path) -> list[dict]:
    """The lines of a run's log."""
    return [json.loads(line) for line in (folder / "train_log.jsonl").open(encoding="utf-8")]

"""How time and memory grow with the number of utterances.

    python benchmarks/scale.py [--sizes 12500 25000 50000 100000] [--encoder_source DIR] \\
        [--json FILE]

A made-up corpus of short WAV files, one speaker per hundred clips, is prepared, labelled,
split, audited, loaded and evaluated, each step in its own process. With an encoder, the default
probe is trained and tested, too, once without cache and once with it. The slope is that of log
time over log utterances: 1 is linear, 2 quadratic.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

EMOTIONS = ["anger", "happiness", "sadness", "neutral"]
RATE_HZ = 16_000
ENCODER = "SCALE_ENCODER_SOURCE"
SIZES = [12_500, 25_000, 50_000, 100_000]


def make_corpus(pool: Path, folder: Path, count: int) -> None:
    """Link the first clips of a pool into a folder, with a CSV; make the missing ones."""
    rng = np.random.default_rng(count)
    pool.mkdir(exist_ok=True)
    (folder / "wav").mkdir(parents=True)
    with open(folder / "table.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "emotion", "speaker", "text", "valence", "arousal"])
        for n in range(count):
            clip = pool / f"{n:06d}.wav"
            if not clip.exists():
                samples = rng.integers(-3000, 3000, int(rng.integers(2000, 4000)), np.int16)
                soundfile.write(clip, samples, RATE_HZ)
            os.link(clip, folder / "wav" / clip.name)
            row = [EMOTIONS[n // 7 % 4], f"s{n // 100}", f"sentence {n % 50}", 1 + n % 5, 3]
            table.writerow([f"wav/{clip.name}", *row])


def prepare(folder: Path) -> None:
    """CSV and audio -> manifest."""
    from data_prep.common.prepare import prepare as prepare_corpus

    options = {"name": "made_up", "csv": "table.csv", "language": "deu", "vad_scale": [1, 5]}
    prepare_corpus("table", folder, folder / "manifests", **options)


def _labelled(folder: Path):
    from ser_brain.data.corpora import CorpusSetting
    from ser_brain.data.labelling import NEEDED, LabelChoice, label_corpus
    from ser_brain.data.manifest import read_manifest

    choice = LabelChoice(EMOTIONS, {}, (1.0, 5.0), "corpus", "emotion")
    line = CorpusSetting("made_up", "train")
    manifest = read_manifest(folder / "manifests" / "made_up.json", NEEDED)
    return label_corpus(manifest, folder, line, choice)


def _cut(folder: Path):
    from ser_brain.data.experiment import assemble
    from ser_brain.data.splits import SplitSetting

    return assemble([_labelled(folder)], SplitSetting("speaker", 1, folds=5), EMOTIONS)


def label(folder: Path) -> None:
    """Manifest -> labelled rows."""
    _labelled(folder)


def cut(folder: Path) -> None:
    """Label, split into speaker-disjoint parts, and audit their overlap."""
    _cut(folder)


def load(folder: Path) -> None:
    """Split, then read the training set once as an epoch does, in batches of 16."""
    import torch

    from ser_brain.data.dataset import collate, make_dataset

    rows = _cut(folder).train
    dataset = make_dataset(rows, EMOTIONS, RATE_HZ)
    for _ in torch.utils.data.DataLoader(dataset, batch_size=16, collate_fn=collate):
        pass


def evaluate(folder: Path) -> None:
    """Predictions -> report with all tables, intervals and figures."""
    from ser_brain.reporting.report import write_report

    write_report(folder / "run")


def probe(folder: Path, again: str = "") -> None:
    """Train and test the default probe with the encoder that :data:`ENCODER` names."""
    import train

    corpus = {"corpus": "made_up", "manifest": str(folder / "manifests" / "made_up.json")}
    settings = {
        "corpora": json.dumps([corpus]),
        "encoder_source": os.environ[ENCODER],
        "output_folder": str(folder / f"probe{again}"),
    }
    given = [f"--{key}={value}" for key, value in settings.items()]
    with contextlib.redirect_stdout(sys.stderr):
        train.start(["hparams/probe/classification.yaml", *given], figures=False)


def probe_again(folder: Path) -> None:
    """The same, with embeddings from the cache."""
    probe(folder, "-again")


def write_predictions(folder: Path, count: int) -> None:
    """Write the predictions that :func:`evaluate` reads."""
    import report as made_report  # the benchmark beside this one

    from ser_brain.evaluation.predictions import write_predictions as write

    rows = made_report.made_up(count)
    write(folder / "run" / "predictions", "made-up", rows, None, made_report.CARD)


STEPS: dict[str, Callable[[Path], None]] = {
    step.__name__: step for step in (prepare, label, cut, load, evaluate, probe, probe_again)
}


def run_step(step: str, folder: Path) -> dict:
    """Run one step in its own process: seconds without imports, and peak memory."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{step} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(step: str, folder: Path) -> dict:
    """Time a step in this process."""
    import ser_brain.data.experiment  # noqa: F401  what every step imports is not timed

    if step in ("load", "evaluate"):
        import ser_brain.data.dataset
        import ser_brain.reporting.report  # noqa: F401
    if "probe" in step:
        import ser_brain.training.preloaded  # noqa: F401
    wall, cpu = time.perf_counter(), time.process_time()
    STEPS[step](folder)
    return {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def slope(sizes: list[int], values: list[float]) -> float:
    """Least-squares slope of log values over log sizes."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def main() -> None:
    """Make the corpora, run every step at every size, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--json", type=Path, help="also write the measurements there")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--encoder_source", help="of the probe; without it, none is trained")
    arguments = parser.parse_args()
    steps = [step for step in STEPS if arguments.encoder_source or "probe" not in step]
    if arguments.step:
        print(json.dumps(measure(arguments.step, arguments.folder)))
        return
    found: dict[str, list[dict]] = {step: [] for step in steps}
    with tempfile.TemporaryDirectory() as temporary:
        os.environ[ENCODER] = arguments.encoder_source or ""
        for count in arguments.sizes:
            folder = Path(temporary) / str(count)
            os.environ["SER_CACHE"] = str(folder / "cache")
            make_corpus(Path(temporary) / "pool", folder, count)
            write_predictions(folder, count)
            for step in steps:
                found[step].append({"utterances": count, **run_step(step, folder)})
                print(step, found[step][-1], file=sys.stderr)
    print("| step | " + " | ".join(f"{n:,}" for n in arguments.sizes) + " | slope | peak |")
    print("|---|" + "---|" * (len(arguments.sizes) + 2))
    for step, rows in found.items():
        seconds = [row["cpu_seconds"] for row in rows]
        steep = f"{slope(arguments.sizes, seconds):.2f}" if len(rows) > 1 else ""
        cells = " | ".join(f"{value:.1f} s" for value in seconds)
        print(f"| {step} | {cells} | {steep} | {rows[-1]['peak_mb']:,} MB |")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

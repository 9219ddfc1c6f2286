"""How fast an epoch trains and how much memory it needs, beside SpeechBrain's own recipe.

    python benchmarks/training.py [--batches 10] [--rounds 3] [--json FILE] [--device cuda]

Both sides train wav2vec2-base (random weights) on the same made-up clips, as long as IEMOCAP's,
in turn: A B A B, each time in a process of its own. The batches represent an epoch over 4,400
clips: ours are a few, evenly from the shortest to the longest; the reference's are random fours
of the same clips, padded as in an epoch. Variants show what each part gains. ``--precision``
and ``--compile`` are SpeechBrain's options for our side; by default train.py's choice of
precision on this device is used.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import machine
import numpy as np
from material import durations, write_checkpoint, write_corpus
from training_side import OURS, REFERENCE, VARIANTS

BATCH_SIZE = 4
DRAWS = 200
SIDE = Path(__file__).parent / "training_side.py"


def choose(batches: int) -> tuple[dict[int, float], dict[str, list[list[int]]]]:
    """The clips, and the batches of both sides as indices into them."""
    from ser_brain.training.loaders import length_batches

    all_s = durations()
    epoch = sorted(length_batches(all_s, BATCH_SIZE, 1), key=lambda b: max(all_s[n] for n in b))
    places = ((np.arange(batches) + 0.5) * len(epoch) / batches).astype(int)
    chosen = [epoch[place] for place in places]
    clips = {number: all_s[number] for batch in chosen for number in batch}
    place_of = {number: place for place, number in enumerate(clips)}
    dynamic = [[place_of[number] for number in batch] for batch in chosen]
    rng = np.random.default_rng(1)
    # Of few clips some random fours are padded much, some little: take those as of an epoch.
    typical = padded_share(all_s, _fours(len(all_s), rng))
    chosen_s = [*clips.values()]
    drawn = [_fours(len(clips), rng) for _ in range(DRAWS)]
    fours = min(drawn, key=lambda draw: abs(padded_share(chosen_s, draw) - typical))
    return clips, {"dynamic": [dynamic[n] for n in rng.permutation(batches)], "random": fours}


def _fours(count: int, rng: np.random.Generator) -> list[list[int]]:
    order = rng.permutation(count).tolist()
    return [order[n : n + BATCH_SIZE] for n in range(0, count, BATCH_SIZE)]


def padded_share(clips_s: Sequence[float], batches: list[list[int]]) -> float:
    """Seconds computed for each second of audio."""
    padded_s = sum(len(batch) * max(clips_s[place] for place in batch) for batch in batches)
    return padded_s / sum(clips_s)


def measure(task: dict) -> dict:
    """Measure one side in a process of its own."""
    done = subprocess.run(
        [sys.executable, SIDE],
        input=json.dumps({**task, "spawned": time.time()}),
        env={**os.environ, "SER_CACHE": task["cache"]},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{task['side']} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def tasks_in(folder: Path, arguments: argparse.Namespace) -> dict[str, dict]:
    """The task of each side."""
    clips, batches = choose(arguments.batches)
    write_checkpoint(folder / "wav2vec2-base")
    common = {
        "rows": write_corpus(folder / "clips", clips),
        "audio_s": sum(clips.values()),
        "checkpoint": str(folder / "wav2vec2-base"),
        "folder": str(folder / "run"),
        "cache": str(folder / "cache"),
    }
    run_opts = {"device": arguments.device, "noprogressbar": True}
    ours_opts = {
        **run_opts,
        **({"precision": arguments.precision} if arguments.precision else {}),
        "compile": arguments.compile,
        "compile_module_keys": ["model"],
    }
    tasks = {REFERENCE: {"batches": batches["random"], "run_opts": run_opts}}
    for name, settings in VARIANTS.items() if arguments.variants else [(OURS, {})]:
        kind = settings.get("batching", "dynamic")
        tasks[name] = {"batches": batches[kind], "run_opts": ours_opts}
    return {
        name: {
            **common,
            **task,
            "side": name,
            "padded": round(padded_share([*clips.values()], task["batches"]), 3),
        }
        for name, task in tasks.items()
    }


def summary(
    measured: dict[str, list[dict]], peaks: dict[str, float], step_gflop: float
) -> dict:
    """Median, lowest and highest of the rounds of each side."""
    table = {}
    base = statistics.median(found["s_per_audio_s"] for found in measured[REFERENCE])
    for side, rounds in measured.items():
        row = {"precision": rounds[0]["precision"]}
        for key in rounds[0].keys() - row.keys():
            values = sorted(found[key] for found in rounds)
            row[key] = [round(v, 4) for v in (statistics.median(values), values[0], values[-1])]
        median_s = statistics.median(found["s_per_audio_s"] for found in rounds)
        row["speed_up"] = round(base / median_s, 2)
        peak = max(rate for name, rate in peaks.items() if name.startswith(row["precision"]))
        row["share_of_peak"] = round(step_gflop / median_s / peak, 3)
        table[side] = row
    return table


def show(result: dict) -> None:
    """The table, as Markdown."""
    heads = "side | precision | s per audio s | range | CPU s | speed-up | peak GB | start s"
    print(f"| {heads} | of peak |")
    print("|---|---|---|---|---|---|---|---|---|")
    for side, row in result["sides"].items():
        middle_s, low_s, high_s = row["s_per_audio_s"]
        cells = [
            side,
            row["precision"],
            f"{middle_s:.3f}",
            f"{low_s:.3f}-{high_s:.3f}",
            f"{row['cpu_s_per_audio_s'][0]:.3f}",
            f"{row['speed_up']:.2f}",
            f"{row['peak_gb'][2]:.2f}",
            f"{row['start_s'][0]:.1f}",
            f"{row['share_of_peak']:.0%}",
        ]
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Measure all sides in turn, print the table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=10, help="of ours; about 18 s each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variants", action="store_true", help="each part by itself, too")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), help="of our side [as train.py chooses]"
    )
    parser.add_argument("--compile", action="store_true", help="our side's encoder")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tasks = tasks_in(Path(folder), arguments)
        peaks = machine.peaks(arguments.device)
        work = machine.operations_of_encoders(Path(folder) / "wav2vec2-base")
        measured = {side: [] for side in tasks}
        for _ in range(arguments.rounds):
            for side, task in tasks.items():
                measured[side].append(measure(task))
                found = measured[side][-1]
                sys.stderr.write(
                    f"{side}: {found['s_per_audio_s']:.3f} s per audio second, of the "
                    f"processor's time {found['cpu_s_per_audio_s']:.3f}\n"
                )
    result = {
        "machine": machine.describe(arguments.device),
        "command": " ".join(["python", *sys.argv]),
        "peak_gflop_s": peaks,
        "gflop_per_audio_s": work,
        "audio_s": round(tasks[REFERENCE]["audio_s"], 1),
        "clips": len(tasks[REFERENCE]["rows"]),
        "padded_s_per_audio_s": {side: task["padded"] for side, task in tasks.items()},
        "sides": summary(measured, peaks, work["wav2vec2-base"]["step"]),
    }
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

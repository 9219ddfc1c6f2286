"""A run killed at any moment goes on to the same end; ranks share the work, and each clip."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ser_brain.core.files import changed_files
from ser_brain.evaluation.predictions import read_predictions
from tests.models.test_encoders_loading import saved
from tests.tiny_corpus import run_train, settings, write_corpus

ROOT = Path(__file__).parents[2]
RECIPE = "multiobjective.yaml"
FAST_RECIPE = "finetune/multiobjective.yaml"  # dynamic batches, cached front end
UNDRAWN = str(ROOT / "tests" / "training" / "undrawn.py")
KILLS = 2


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("tiny"), clips=3)


def command(recipe: str, corpus: Path, folder: Path, epochs: int) -> list[str]:
    chosen = settings(corpus, folder, number_of_epochs=epochs, batch_size=4)
    return [UNDRAWN, str(ROOT / "hparams" / recipe), *chosen, "--device=cpu"]


def environment(**more: str) -> dict[str, str]:
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
    return {**os.environ, **own, **more}


def test_killed_runs_end_as_an_undisturbed_one(corpus, tmp_path):
    _, _, *straight = command(RECIPE, corpus, tmp_path / "straight", epochs=5)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the processes
    try:
        assert run_train(RECIPE, *straight) == 0
    finally:
        torch.set_num_threads(threads)

    seed = random.randrange(10**6)
    print(f"kills drawn with seed {seed}")
    moments = random.Random(seed)
    killed = [sys.executable, *command(RECIPE, corpus, tmp_path / "killed", epochs=5)]
    log = tmp_path / "killed" / "train_log.jsonl"
    kills = 0
    while kills < KILLS:
        process = subprocess.Popen(killed, stderr=subprocess.PIPE, env=environment())
        before = epochs(log)
        while epochs(log) == before and process.poll() is None:
            time.sleep(0.005)  # importing takes longest: kill near the work, not before it
        time.sleep(moments.uniform(0, 0.4))
        if process.poll() is not None:
            process.communicate()
            break
        number = [signal.SIGTERM, signal.SIGKILL][kills % 2]
        process.send_signal(number)
        said = process.communicate()[1].decode()
        if number == signal.SIGTERM:
            assert process.returncode == 143, said
            assert said.endswith("continues after the last finished epoch.\n")
            assert "Traceback" not in said
        kills += 1
    assert kills >= 2, "the run ended before it could be killed twice"
    subprocess.run(killed, check=True, env=environment())

    ours, theirs = (
        read_predictions(tmp_path / name / "predictions" / "tiny.jsonl")
        for name in ("killed", "straight")
    )
    assert ours.ids == theirs.ids
    assert np.array_equal(ours.log_probs_NC, theirs.log_probs_NC)
    assert np.array_equal(ours.predicted_values_NV, theirs.predicted_values_NV)
    assert losses(log) == losses(tmp_path / "straight" / "train_log.jsonl")
    record = json.loads((tmp_path / "killed" / "run.json").read_text())
    assert len(record["invocations"]) > kills


def epochs(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.is_file() else 0


def losses(log: Path) -> list[tuple]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [(line["epoch"], line["train"], line["valid"], line["lr"]) for line in lines]


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch has no gloo")
def test_of_two_ranks_one_may_die_and_three_go_on(corpus, tmp_path):
    one = write_one_clip(tmp_path / "one")
    saved(tmp_path / "encoder", "wav2vec2-base")
    arguments = command(FAST_RECIPE, corpus, tmp_path / "run", epochs=3)
    arguments += [f"--encoder_source={tmp_path / 'encoder'}"]
    # Layers that open and rates that rise must open and rise alike in all processes.
    arguments += ["--unfreeze={2: 1, 3: all}", "--weight_averaging={ema: 0.9}"]
    arguments += ["--warmup_epochs=0.5", "--layer_decay=0.9", "--patience=3"]
    line = "{corpus: table, data_folder: '%s', options: {name: %s, csv: labels.csv, "
    line += "vad_scale: [1, 5]}, use: %s}"
    lines = line % (corpus, "tiny", "train"), line % (one, "one", "test")
    arguments = [a for a in arguments if not a.startswith("--corpora")]
    arguments += [f"--corpora=[{', '.join(lines)}]", "--distributed_backend=gloo"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    two, three = ([*launcher, f"--nproc_per_node={n}", *arguments] for n in (2, 3))

    cache = environment(SER_CACHE=str(tmp_path / "cache"))
    killed = subprocess.Popen(two, stderr=subprocess.PIPE, text=True, env=cache)
    while not list(tmp_path.glob("run/save/CKPT+*")):
        assert killed.poll() is None
        time.sleep(0.05)
    children = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
    os.kill(int(children[1]), signal.SIGKILL)
    said = killed.communicate(timeout=120)[1]
    assert killed.returncode == 1 and "[rank0]: Traceback" not in said
    assert "Another process of this run has ended" in said or "Interrupted." in said
    assert not any(map(changed_files, tmp_path.glob("run/save/CKPT+*")))
    begun = epochs(tmp_path / "run" / "train_log.jsonl")

    # With another number of processes, of which two have nothing of the second test set.
    said = subprocess.run(
        three, check=True, stderr=subprocess.PIPE, text=True, env=cache, timeout=300
    ).stderr
    assert said.count("heads: the emotion head is fitted once more") == 1
    log = losses(tmp_path / "run" / "train_log.jsonl")
    assert [epoch for epoch, *_ in log] == [0, 1, 2, 3] and 1 <= begun < 4
    splits = json.loads((tmp_path / "run" / "splits.json").read_text())
    for name in ("tiny", "one"):
        predictions = read_predictions(tmp_path / "run" / "predictions" / f"{name}.jsonl")
        assert sorted(predictions.ids) == sorted(splits["tests"][name])
        assert len(set(predictions.ids)) == len(predictions.ids)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["finished"]
    learned_from = {*splits["train"], *splits["valid"]}
    for kind in ("f32", "f16"):  # embeddings for the heads to start with, then front ends
        assert len([*tmp_path.glob(f"cache/features/*/*.{kind}")]) == len(learned_from)


def write_one_clip(folder: Path) -> Path:
    """A corpus of a single clip, by another speaker."""
    other = write_corpus(folder, speakers=1, clips=1, seed=1)
    head, row = (other / "labels.csv").read_text().splitlines()[:2]
    kept = row.split(",")[0]
    for clip in other.glob("*.wav"):
        if clip.name != kept:
            clip.unlink()
    (other / "labels.csv").write_text(f"{head}\n{row}\n")
    return other

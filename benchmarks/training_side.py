"""One side of the training benchmark, in its own process: trains and prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import machine
import numpy as np

SETTINGS = Path(__file__).parents[1] / "hparams" / "finetune" / "classification.yaml"
REFERENCE, OURS = "reference", "ours"
# The reference's model, so that both sides compute the same.
SAME_MODEL = {"layer": "last", "pooling": "mean", "heads_start": "random"}
# Our settings, from those of the study on; each line adds to the one above.
PLAIN = {"batching": "random", "feature_cache_gb": 0, "dropouts": "{}"}
ADAM = {
    f"{part}_optimizer": f"!name:torch.optim.Adam {{lr: !ref <lr_{part}>}}"
    for part in ("encoder", "heads")
}
VARIANTS = {
    "ours, as in the study": {**PLAIN, **ADAM},
    "+ batches of like length": {**PLAIN, **ADAM, "batching": "dynamic"},
    "+ fused Adam": {**PLAIN, "batching": "dynamic"},
    "+ no attention dropout": {"feature_cache_gb": 0},
    OURS: {},  # and a cached front end
}


def build_reference(task: dict) -> tuple:
    """SpeechBrain's side: Brain, dataset and options of its loader."""
    import reference

    brain = reference.brain(task["checkpoint"], task["run_opts"])
    return brain, reference.dataset(task["rows"]), {"num_workers": 2}


def build_ours(task: dict) -> tuple:
    """Our side, from the shipped settings."""
    from speechbrain.utils.run_opts import RunOptions

    from ser_brain.data.dataset import collate, make_dataset
    from ser_brain.training import config
    from ser_brain.training.device import set_up
    from ser_brain.training.loaders import cached_features, device_options, with_features

    overrides = {
        "encoder_source": task["checkpoint"],
        "output_folder": task["folder"],
        **SAME_MODEL,
        **VARIANTS[task["side"]],
    }
    text = config.read_settings(SETTINGS, [(key, str(v)) for key, v in overrides.items()])
    hparams = config.load_settings(text)
    options = RunOptions.from_dictionary(task["run_opts"])
    brain = hparams["brain"](
        modules=hparams["modules"],
        hparams=hparams,
        run_opts=set_up(options, hparams["fast_precision"]),
        checkpointer=hparams["checkpointer"],
    )
    encoder = brain.model.encoder
    data = make_dataset(task["rows"], hparams["emotions"], encoder.sample_rate_hz)
    limit_gb, device = hparams["feature_cache_gb"], brain.device
    cache = cached_features(encoder, [data], limit_gb, device, bar=False)
    if cache is not None:
        data = with_features(data, cache, brain.hparams)
    return brain, data, {"collate_fn": collate, **device_options(device)}


def train_epoch(task: dict) -> dict:
    """Train on the batches of a task; measure seconds, memory and start-up."""
    import torch
    from speechbrain import Stage

    device = task["run_opts"]["device"]
    build = build_reference if task["side"] == REFERENCE else build_ours
    brain, data, options = build(task)
    loader = brain.make_dataloader(data, Stage.TRAIN, batch_sampler=task["batches"], **options)
    brain.on_fit_start()
    brain.on_stage_start(Stage.TRAIN, 1)
    brain.modules.train()
    started_s = time.time() - task["spawned"]
    brain.fit_batch(next(iter(loader)))  # allocates, compiles
    machine.wait(device)
    began, began_cpu = time.perf_counter(), time.process_time()
    losses = [brain.fit_batch(batch).item() for batch in loader]
    machine.wait(device)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    if not all(np.isfinite(losses)):
        raise SystemExit(f"{task['side']}: losses are not finite: {losses}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if "cuda" in device:
        peak = torch.cuda.max_memory_allocated()
    return {
        "s_per_audio_s": seconds / task["audio_s"],
        "cpu_s_per_audio_s": cpu_s / task["audio_s"],
        "peak_gb": peak / 1e9,
        "precision": brain.precision,
        "start_s": started_s,
    }


if __name__ == "__main__":
    print(json.dumps(train_epoch(json.load(sys.stdin))))

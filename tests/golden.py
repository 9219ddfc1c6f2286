"""Golden losses: the first training steps of the demo experiments and of dynamic batches.

``python -m tests.golden`` writes them anew, after a change that is meant to change them. A
refactor keeps them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import torch
from speechbrain import Stage

import train
from data_prep.common.prepare import prepare_all
from ser_brain.data.experiment import load_experiment, require_tasks
from ser_brain.data.experiment_config import ExperimentConfig
from ser_brain.training import config
from ser_brain.training.loaders import dataio_prep

ROOT = Path(__file__).parent.parent
FILE = Path(__file__).parent / "golden_losses.json"
EXPERIMENTS = {  # name -> settings file, and what it changes
    "classification": ("classification", {}),
    "regression": ("regression", {}),
    "multiobjective": ("multiobjective", {}),
    "multiobjective, dynamic batches": ("multiobjective", {"batching": "dynamic"}),
}
STEPS = 12


def first_losses(experiment: str, folder: str | Path) -> list[float]:
    """The loss of each of the first steps, on one thread, with the shipped settings."""
    file, changes = EXPERIMENTS[experiment]
    overrides = {"output_folder": f"{folder}/run", "manifest_folder": f"{folder}/manifests"}
    settings = config.read_settings(
        ROOT / "hparams" / f"{file}.yaml", [*overrides.items(), *changes.items()]
    )
    torch.set_num_threads(1)
    hparams = config.load_settings(settings)
    corpora = train.corpora_of(hparams)
    prepared = prepare_all(corpora, hparams["manifest_folder"], hparams["allow_partial"])
    experiment = ExperimentConfig.from_settings(hparams, require_tasks(hparams["brain"]))
    data = load_experiment(experiment, prepared)
    brain = hparams["brain"](
        modules=hparams["modules"],
        hparams=hparams,
        run_opts={"device": "cpu"},
        checkpointer=hparams["checkpointer"],
    )
    loader = brain.make_dataloader(dataio_prep(data, hparams)["train"], Stage.TRAIN)
    brain.on_fit_start()
    brain.on_stage_start(Stage.TRAIN, epoch=1)
    brain.modules.train()
    batches = iter(loader)
    return [brain.fit_batch(next(batches)).item() for _ in range(STEPS)]


def main() -> None:
    """Write the golden losses."""
    with tempfile.TemporaryDirectory() as folder:
        losses = {name: first_losses(name, f"{folder}/{name}") for name in EXPERIMENTS}
    rounded = {name: [round(loss, 6) for loss in steps] for name, steps in losses.items()}
    FILE.write_text(json.dumps(rounded, indent=2) + "\n")
    sys.stdout.write(f"wrote {FILE}\n")


if __name__ == "__main__":
    main()

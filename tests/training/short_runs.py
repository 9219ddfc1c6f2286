"""Runs of a few epochs on a tiny corpus in this process, which may be interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import train
from data_prep.common.prepare import prepare_all
from ser_brain.data.experiment import load_experiment
from ser_brain.data.experiment_config import ExperimentConfig
from ser_brain.training import config
from ser_brain.training.loaders import dataio_prep
from tests.tiny_corpus import settings

ROOT = Path(__file__).parents[2]


class Interrupted(Exception):
    """Ends a run after one of its epochs."""


def fit(corpus, encoder, folder, interrupt_after=None, options=(), **changes):
    """Train a run in a folder; give its Brain and its datasets."""
    chosen = {
        "number_of_epochs": 5,
        "encoder_source": encoder,
        "dropouts": "{}",  # so that what is drawn matters
        "fast_precision": "fp32",
        "feature_cache_gb": 0,
        "lr_encoder": 0.01,
        "patience": "null",
        **changes,
    }
    arguments = [a.removeprefix("--").split("=", 1) for a in settings(corpus, folder, **chosen)]
    text = config.read_settings(ROOT / "hparams/finetune/classification.yaml", arguments)
    hparams = config.load_settings(text)
    prepared = prepare_all(train.corpora_of(hparams), hparams["manifest_folder"], False)
    made = hparams["brain"]
    data = load_experiment(ExperimentConfig.from_settings(hparams, made.tasks), prepared)
    datasets = dataio_prep(data, hparams)

    class Brain(made):
        def end_epoch(self, epoch, *statistics):
            super().end_epoch(epoch, *statistics)
            if epoch == interrupt_after:
                raise Interrupted

    brain = Brain(
        modules=hparams["modules"],
        hparams=hparams,
        run_opts={"device": "cpu", **dict(options)},
        checkpointer=hparams["checkpointer"],
    )
    try:
        brain.fit(hparams["epoch_counter"], datasets["train"], datasets["valid"])
    except Interrupted:
        assert interrupt_after
    return brain, datasets


def log(folder):
    lines = map(json.loads, (folder / "train_log.jsonl").read_text().splitlines())
    return [{key: line[key] for key in ("epoch", "train", "valid", "lr")} for line in lines]

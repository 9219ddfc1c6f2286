"""Training on augmented clips: the same in any batch, worker, rank and continued run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from speechbrain import Stage

from recipes.classification import ClassificationBrain
from recipes.multiobjective import MultiObjectiveBrain
from recipes.regression import RegressionBrain
from ser_brain.data.dataset import collate, make_dataset
from ser_brain.training.loaders import dataio_prep, inputs_and_lengths, with_augmentation
from tests.models.test_encoders import clips, tiny
from tests.models.test_encoders_loading import saved
from tests.tiny_corpus import run_train, settings, write_corpus

BRAINS = {
    "classification": ClassificationBrain,
    "regression": RegressionBrain,
    "multiobjective": MultiObjectiveBrain,
}
AUGMENT = {
    "speed": {"probability": 0.8},
    "reverb": {"probability": 0.5},
    "noise": {"probability": 0.8, "kinds": ["pink", "babble"]},
    "telephone": {"probability": 0.3},
    "mask_time": {"probability": 0.5},
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder, rows = tmp_path_factory.mktemp("clips"), {}
    for number, wave in enumerate(clips([4000 + 400 * n for n in range(10)])):
        soundfile.write(folder / f"{number}.wav", wave.numpy(), 16_000, subtype="FLOAT")
        place = {"wav": str(folder / f"{number}.wav"), "start": None, "stop": None}
        labels = {"emotion": "anger", "valence": None, "arousal": None}
        rows[f"c{number}"] = {**place, **labels, "duration": len(wave) / 16_000}
    return make_dataset(rows, ["anger"], 16_000)


def heard(dataset, epoch, order=None, encoder="wav2vec2-base", **options) -> dict:
    """id -> samples of each clip, as a loader with these options gives them in an epoch."""
    hparams = SimpleNamespace(
        augment=AUGMENT,
        seed=1,
        emotions=["anger"],
        dimensions=("valence", "arousal"),
        encoder=tiny(encoder),
        feature_cache_gb=0,
    )
    augmented, views = with_augmentation(dataset, hparams)
    views.epoch = epoch
    share = torch.utils.data.Subset(augmented, order or range(len(augmented)))
    found = {}
    for batch in torch.utils.data.DataLoader(share, collate_fn=collate, **options):
        signals, lengths_B = inputs_and_lengths(batch)
        for utterance_id, signal_S, length in zip(batch.id, signals, lengths_B, strict=True):
            assert not signal_S[length:].any()  # whatever is done to a clip ends with it
            found[utterance_id] = signal_S[:length].numpy()
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 1},
        {"batch_size": 4, "order": [9, 3, 0, 5, 2, 8, 1, 7, 4, 6]},
        {"batch_size": 3, "num_workers": 2, "multiprocessing_context": "fork"},
        {"batch_size": 2, "order": [1, 3, 5, 7, 9]},  # the second of two ranks
    ],
    ids=["alone", "shuffled", "workers", "rank"],
)
def test_a_clip_sounds_the_same_in_any_batch(dataset, options):
    expected = heard(dataset, 2, batch_size=10)
    found = heard(dataset, 2, **options)
    assert found.keys() <= expected.keys() and len(found) >= 5
    for utterance_id, samples_S in found.items():
        np.testing.assert_array_equal(samples_S, expected[utterance_id])


def test_epochs_sound_different_and_not_like_the_recordings(dataset):
    first, second = heard(dataset, 1, batch_size=5), heard(dataset, 2, batch_size=5)
    assert all(not np.array_equal(first[i], second[i]) for i in first)
    lengths = [len(dataset[n]["signal"]) for n in range(len(dataset))]
    shares = [len(samples) / n for samples, n in zip(first.values(), lengths, strict=True)]
    assert 1 / 1.05 - 0.001 <= min(shares) < 1 < max(shares) <= 1 / 0.95 + 0.001


@pytest.mark.parametrize("batching", ["random", "dynamic"])
@pytest.mark.parametrize("recipe", BRAINS)
def test_only_training_hears_it(recipe, batching, corpus, run, monkeypatch):
    """Validation and test clips are the recordings, whatever the experiment."""
    samples, own = {}, BRAINS[recipe].compute_forward

    def listen(brain, batch, stage):
        signals, lengths_B = inputs_and_lengths(batch)
        for utterance_id, signal_S, length in zip(batch.id, signals, lengths_B, strict=True):
            samples[stage, utterance_id] = signal_S[:length].clone()
        return own(brain, batch, stage)

    monkeypatch.setattr(BRAINS[recipe], "compute_forward", listen)
    folder = run("run", f"{recipe}.yaml", 1, batching=batching)
    splits = json.loads((folder / "splits.json").read_text())
    changed = {stage: [] for stage in Stage}
    for (stage, utterance_id), signal_S in samples.items():
        name = utterance_id.removeprefix("tiny_")
        recorded = soundfile.read(corpus / f"{name}.wav", dtype="float32")[0]
        same = len(recorded) == len(signal_S) and np.array_equal(recorded, signal_S)
        changed[stage].append(not same)
    assert [len(changed[s]) for s in (Stage.TRAIN, Stage.VALID)] == [
        len(splits[part]) for part in ("train", "valid")
    ]
    assert np.mean(changed[Stage.TRAIN]) > 0.9
    assert not any(changed[Stage.VALID]) and not any(changed[Stage.TEST])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("tiny"), clips=3)


@pytest.fixture
def run(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))

    def run(name: str, recipe: str, epochs: int, code: int = 0, **more) -> Path:
        more = {"augment": json.dumps(AUGMENT), "number_of_epochs": epochs, **more}
        chosen = settings(corpus, tmp_path / name, batch_size=4, **more)
        assert run_train(recipe, *chosen) == code
        return tmp_path / name

    return run


def test_a_continued_run_ends_as_an_undisturbed_one_and_caches_nothing(run, tmp_path, capsys):
    saved(tmp_path / "encoder", "wav2vec2-base")
    recipe = "finetune/multiobjective.yaml"  # whose feature_cache_gb is 20
    straight = run("straight", recipe, 3, encoder_source=tmp_path / "encoder")
    assert "feature_cache_gb has no effect" in capsys.readouterr().err
    assert not list((tmp_path / "cache").rglob("*.f16"))
    run("continued", recipe, 1, encoder_source=tmp_path / "encoder")
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    continued = run("continued", recipe, 3, encoder_source=tmp_path / "encoder")
    ours, theirs = map(losses, (continued, straight))
    assert ours == theirs and [epoch for epoch, *_ in ours] == [0, 1, 2, 3]


def losses(folder: Path) -> list[tuple]:
    lines = map(json.loads, (folder / "train_log.jsonl").read_text().splitlines())
    return [(line["epoch"], line["train"], line["valid"]) for line in lines]


def test_a_loader_of_ones_own_is_not_left_clean_in_silence(run, monkeypatch, capsys):
    def own_loaders(data, hparams):
        sets = dataio_prep(data, hparams)
        return sets | {"train": torch.utils.data.DataLoader(sets["train"], collate_fn=collate)}

    monkeypatch.setattr("ser_brain.training.loaders.dataio_prep", own_loaders)
    run("run", "classification.yaml", 1, code=2)
    assert "augment needs the training set of dataio_prep(), not" in capsys.readouterr().err

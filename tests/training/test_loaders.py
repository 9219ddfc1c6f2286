"""Batches of clips of like length: every clip once, as many steps, hardly any padding."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from ser_brain.core.errors import SERError
from ser_brain.data.dataset import evaluation_loader, make_dataset
from ser_brain.training.loaders import (
    cached_features,
    device_options,
    evaluation_loader_of,
    inputs_and_lengths,
    length_batches,
    training_options,
    with_features,
)
from tests.models.test_encoders import clips, tiny


def made(count=600):
    drawn_s = np.random.default_rng(0).lognormal(1.3, 0.7, count)
    return np.clip(drawn_s, 0.6, 30).round(3).tolist()


def batches_of(sampler, epoch):
    sampler.set_epoch(epoch)
    return [list(batch) for batch in sampler]


@pytest.mark.parametrize("count", [1, 2, 5, 33, 600])
def test_every_clip_once_an_epoch(count):
    sampler = length_batches(made(count), 4, seed=1)
    for epoch in (1, 2):
        batches = batches_of(sampler, epoch)
        assert sorted(n for batch in batches for n in batch) == list(range(count))
        assert len(batches) == len(sampler)


def test_as_many_steps_as_random_batches_and_so_as_much_audio_in_each():
    for batch_size in (4, 8, 16):
        sampler = length_batches(made(), batch_size, seed=1)
        assert len(sampler) == pytest.approx(600 / batch_size, rel=0.1)


def test_hardly_any_padding_and_a_cap_on_seconds():
    clips_s = made()
    batches = batches_of(length_batches(clips_s, 4, seed=1), 1)
    padded_s = [len(batch) * max(clips_s[n] for n in batch) for batch in batches]
    assert sum(padded_s) < 1.05 * sum(clips_s)
    assert max(padded_s) <= max(2 * 4 * np.mean(clips_s), max(clips_s))
    order = np.random.default_rng(1).permutation(600)
    random_s = sum(4 * max(clips_s[n] for n in order[at : at + 4]) for at in range(0, 600, 4))
    assert random_s > 1.5 * sum(clips_s)


def test_seed_and_epoch_decide():
    clips_s = made()
    first = batches_of(length_batches(clips_s, 4, seed=1), 1)
    assert batches_of(length_batches(clips_s, 4, seed=1), 1) == first
    assert batches_of(length_batches(clips_s, 4, seed=2), 1) != first
    sampler = length_batches(clips_s, 4, seed=1)
    later = batches_of(sampler, 2)
    assert later != first
    assert batches_of(sampler, 1) == first  # whatever ran before


def test_clips_of_one_length():
    assert {len(batch) for batch in length_batches([2.0] * 40, 5, seed=1)} == {5}


LENGTHS = [8000, 1600, 4800, 3200, 6400]


@pytest.fixture
def dataset(tmp_path):
    found = {}
    for number, wave in enumerate(clips(LENGTHS)):
        wav = tmp_path / f"{number}.wav"
        soundfile.write(wav, wave.numpy(), 16_000, subtype="FLOAT")
        labels = {"emotion": "anger", "valence": None, "arousal": None}
        place = {"wav": str(wav), "start": None, "stop": None}
        found[f"c{number}"] = {**place, **labels, "duration": len(wave) / 16_000}
    return make_dataset(found, ["anger"], 16_000)


@pytest.fixture
def cache(dataset, tmp_path, monkeypatch):
    """Cache the set's features, for an encoder."""
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))

    def cache(encoder=None, limit_gb=1, **began):
        encoder = encoder or tiny("wav2vec2-base")
        return cached_features(encoder, [dataset], limit_gb, "cpu", bar=False, **began)

    return cache


def hparams(batching):
    return SimpleNamespace(seed=1, batch_size=2, batching=batching, sampling="natural")


def test_random_batches_are_the_studys(dataset):
    options = training_options(dataset, hparams("random"), "cpu")
    assert (options["batch_size"], options["shuffle"]) == (2, True)
    assert "batch_sampler" not in options


def test_dynamic_batches_have_each_clip(dataset):
    options = training_options(dataset, hparams("dynamic"), "cpu")
    assert sorted(n for batch in options["batch_sampler"] for n in batch) == [0, 1, 2, 3, 4]
    assert not {"batch_size", "shuffle"} & options.keys()


def test_cached_features_give_what_waveforms_give(cache, dataset):
    encoder = tiny("wav2vec2-base").eval()
    settings = SimpleNamespace(
        encoder=encoder, emotions=["anger"], dimensions=("valence", "arousal")
    )
    featured = with_features(dataset, cache(encoder), settings)
    batches = [next(iter(evaluation_loader_of(d, 2, "cpu"))) for d in (featured, dataset)]
    assert batches[0].id == batches[1].id
    assert hasattr(batches[0], "features") and not hasattr(batches[0], "signal")
    with torch.no_grad():
        cached, exact = (encoder(*inputs_and_lengths(batch)) for batch in batches)
    assert torch.equal(cached[1], exact[1])
    torch.testing.assert_close(cached[0], exact[0], atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"limit_gb": 0},
        {"encoder": tiny("compact")},
        {"encoder": tiny("wav2vec2-base", freeze="none")},
        {"began_cached": False},
    ],
)
def test_no_cache_where_it_cannot_be_or_is_not_wanted(cache, changes, tmp_path):
    assert cache(**changes) is None and not (tmp_path / "cache").exists()


def test_without_room_a_new_run_does_without_the_cache(cache, caplog):
    assert cache(limit_gb=1e-9) is None
    assert "no room to cache 5 of 5 clips" in caplog.text and "in every epoch" in caplog.text


def test_without_room_a_run_that_began_with_the_cache_stops(cache):
    match = (
        r"^The epochs so far were trained on cached features, which are rounded, and there is "
        r"no room to cache 5 of 5 clips: .* feature_cache_gb is 1e-09 .*, 0\.01 would be .*\. "
        r"Free some disk space, raise --feature_cache_gb, or start again in another "
        r"--output_folder\.$"
    )
    with pytest.raises(SERError, match=match):
        cache(limit_gb=1e-9, began_cached=True)


def test_evaluation_goes_from_short_to_long(dataset):
    batches = [*evaluation_loader_of(dataset, 2, "cpu")]
    assert [i for batch in batches for i in batch.id] == ["c1", "c3", "c2", "c4", "c0"]


def test_a_gpu_has_workers_and_pinned_memory(monkeypatch):
    assert device_options("cpu") == {}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("ser_brain.training.loaders.available_cpus", lambda: 32)
    forked = {"num_workers": 8, "multiprocessing_context": "fork", "pin_memory": True}
    assert device_options("cuda:0") == forked
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    assert device_options("cuda:0") == {"pin_memory": True}  # as on Windows


def test_workers_read_whatever_the_systems_own_way_to_start_them(dataset, monkeypatch):
    """Python 3.14 on Linux, and every Python on Windows, starts processes by pickling."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("ser_brain.training.loaders.available_cpus", lambda: 1)
    options = device_options("cuda:0") | {"pin_memory": False}
    before = torch.multiprocessing.get_start_method()
    torch.multiprocessing.set_start_method("spawn", force=True)
    try:
        batches = [*evaluation_loader(dataset, 2, rank=0, ranks=1, **options)]
    finally:
        torch.multiprocessing.set_start_method(before, force=True)
    assert sum(len(batch.id) for batch in batches) == len(dataset)

"""Batches of clips of like length: every clip once, as many steps, hardly any padding."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from ser_brain.core.errors import SERError
from ser_brain.training.loaders import Loaders, length_batches
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
def rows(tmp_path):
    found = {}
    for number, wave in enumerate(clips(LENGTHS)):
        wav = tmp_path / f"{number}.wav"
        soundfile.write(wav, wave.numpy(), 16_000, subtype="FLOAT")
        labels = {"emotion": "anger", "valence": None, "arousal": None}
        place = {"wav": str(wav), "start": None, "stop": None}
        found[f"c{number}"] = {**place, **labels, "duration": len(wave) / 16_000}
    return found


@pytest.fixture
def loaders(tmp_path, monkeypatch):
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))

    def loaders(family="wav2vec2-base", **changes):
        settings = {
            "seed": 1, "emotions": ["anger"], "encoder": tiny(family), "batch_size": 2,
            "batching": "dynamic", "feature_cache_gb": 1, **changes,
        }  # fmt: skip
        return Loaders(SimpleNamespace(**settings), "cpu")

    return loaders


def test_random_batches_are_the_studys(loaders, rows):
    options = loaders(batching="random").training_options(rows)
    assert (options["batch_size"], options["shuffle"]) == (2, True)
    assert "batch_sampler" not in options


def test_dynamic_batches_have_each_clip(loaders, rows):
    options = loaders().training_options(rows)
    assert sorted(n for batch in options["batch_sampler"] for n in batch) == [0, 1, 2, 3, 4]
    assert not {"batch_size", "shuffle"} & options.keys()


def test_cached_features_give_what_waveforms_give(loaders, rows):
    made = loaders()
    made.fill_cache(rows, bar=False)
    encoder = made.hparams.encoder.eval()
    batches = [next(iter(made.evaluation(rows, cached))) for cached in (True, False)]
    assert batches[0].id == batches[1].id
    assert hasattr(batches[0], "features") and not hasattr(batches[0], "signal")
    assert hasattr(batches[1], "signal") and not hasattr(batches[1], "features")
    found = []
    for batch in batches:
        inputs, shares_B = batch.features if hasattr(batch, "features") else batch.signal
        lengths_B = (shares_B * inputs.shape[1]).round().long()
        with torch.no_grad():
            found.append(encoder(inputs, lengths_B))
    assert torch.equal(found[0][1], found[1][1])
    torch.testing.assert_close(found[0][0], found[1][0], atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"feature_cache_gb": 0},
        {"family": "compact"},
        {"encoder": tiny("wav2vec2-base", freeze="none")},
    ],
)
def test_no_cache_where_it_cannot_be_or_is_not_wanted(loaders, rows, changes, tmp_path):
    made = loaders(**changes)
    made.fill_cache(rows, bar=False)
    assert made.cache is None and not (tmp_path / "cache").exists()
    assert hasattr(next(iter(made.evaluation(rows, cached=True))), "signal")


def test_without_room_a_new_run_does_without_the_cache(loaders, rows, caplog):
    made = loaders(feature_cache_gb=1e-9)
    made.fill_cache(rows, bar=False)
    assert made.cache is None and hasattr(next(iter(made.evaluation(rows, True))), "signal")
    assert "no room to cache 5 of 5 clips" in caplog.text and "in every epoch" in caplog.text


def test_without_room_a_run_that_began_with_the_cache_stops(loaders, rows):
    match = (
        r"^The epochs so far were trained on cached features, which are rounded, and there is "
        r"no room to cache 5 of 5 clips: .* feature_cache_gb is 1e-09 .*, 0\.01 would be .*\. "
        r"Free the disk, raise --feature_cache_gb, or begin anew in another --output_folder\.$"
    )
    with pytest.raises(SERError, match=match):
        loaders(feature_cache_gb=1e-9).fill_cache(rows, bar=False, began_cached=True)


def test_with_room_a_run_that_began_without_the_cache_does_without(loaders, rows, tmp_path):
    made = loaders()
    made.fill_cache(rows, bar=False, began_cached=False)
    assert made.cache is None and not (tmp_path / "cache").exists()


def test_evaluation_goes_from_short_to_long(loaders, rows):
    batches = [*loaders().evaluation(rows, cached=False)]
    assert [i for batch in batches for i in batch.id] == ["c1", "c3", "c2", "c4", "c0"]


def test_a_gpu_has_workers_and_pinned_memory(loaders, monkeypatch):
    assert loaders().device_options() == {}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("ser_brain.training.loaders.processors", lambda: 32)
    made = Loaders(loaders().hparams, "cuda:0")
    forked = {"num_workers": 8, "multiprocessing_context": "fork", "pin_memory": True}
    assert made.device_options() == forked
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    assert made.device_options() == {"pin_memory": True}  # as on Windows


def test_workers_read_whatever_the_systems_own_way_to_start_them(loaders, rows, monkeypatch):
    """Python 3.14 on Linux, and every Python on Windows, starts processes by pickling."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("ser_brain.training.loaders.processors", lambda: 1)
    made = loaders()
    made.device = "cuda:0"
    options = made.device_options() | {"pin_memory": False}
    monkeypatch.setattr(made, "device_options", lambda: options)
    before = torch.multiprocessing.get_start_method()
    torch.multiprocessing.set_start_method("spawn", force=True)
    try:
        batches = [*made.evaluation(rows, cached=False)]
    finally:
        torch.multiprocessing.set_start_method(before, force=True)
    assert sum(len(batch.id) for batch in batches) == len(rows)

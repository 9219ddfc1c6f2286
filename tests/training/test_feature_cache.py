"""The cache of a frozen front end: computed once, repaired, kept below its limit."""

import contextlib
import errno
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ser_brain.core.errors import SERError
from ser_brain.core.lock import NAME, held
from ser_brain.models.encoders.base import Encoder
from ser_brain.training import feature_cache
from ser_brain.training.feature_cache import (
    IN_USE_S,
    Damaged,
    FeatureCache,
    NoRoom,
    audio_names,
    can_cache,
    front_digest,
    read_features,
    write_features,
)
from tests.models.test_encoders import FAMILIES, clips, tiny

LENGTHS = [8000, 4800, 1600]


@pytest.fixture
def rows(tmp_path):
    found = {}
    for number, wave in enumerate(clips(LENGTHS)):
        wav = tmp_path / f"{number}.wav"
        soundfile.write(wav, wave.numpy(), 16_000, subtype="FLOAT")
        place = {"wav": str(wav), "start": None, "stop": None}
        found[f"c{number}"] = {**place, "duration": len(wave) / 16_000}
    return found


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))
    return FeatureCache(tiny("wav2vec2-base"), limit_gb=1, device="cpu")


def count_computed(cache, monkeypatch):
    computed, front = [], cache.encoder.front
    monkeypatch.setattr(
        cache.encoder, "front", lambda *batch: (computed.append(1), front(*batch))[1]
    )
    return computed


def test_features_are_those_of_the_front_end_as_float16(cache, rows):
    cache.fill(rows, bar=False)
    for (utterance_id, row), wave in zip(rows.items(), clips(LENGTHS), strict=True):
        found_TC = cache.features_of(utterance_id)
        lengths_B = torch.tensor([len(wave)])
        expected_BTC, _ = cache.encoder.front(wave[None], lengths_B)
        assert torch.equal(found_TC, expected_BTC[0].half()), row


def test_computed_once_and_found_by_another_run(cache, rows, monkeypatch):
    cache.fill(rows, bar=False)
    again = FeatureCache(tiny("wav2vec2-base"), limit_gb=1, device="cpu")
    computed = count_computed(again, monkeypatch)
    again.fill(rows, bar=False)
    assert not computed
    other = FeatureCache(tiny("wav2vec2-base", seed=1), limit_gb=1, device="cpu")
    computed = count_computed(other, monkeypatch)
    other.fill(rows, bar=False)
    assert len(computed) == 3


def while_computing(cache, monkeypatch, do):
    """Do something when the cache computes its first clip."""
    front, once = cache.encoder.front, []

    def slow_front(*batch):
        if not once:
            once.append(1)
            do()
        return front(*batch)

    monkeypatch.setattr(cache.encoder, "front", slow_front)


def filling(cache, rows, caplog):
    """Another run that fills a cache, from when it computes or waits until it is done."""
    found = []

    def fill():
        try:
            cache.fill(rows, bar=False)
        except NoRoom as error:
            found.append(error)

    thread = threading.Thread(target=fill)

    def start():
        thread.start()
        while thread.is_alive() and "waiting for process" not in caplog.text:
            time.sleep(0.01)

    def end():
        thread.join()
        return found

    return start, end


def test_two_runs_at_once_share_the_work(cache, rows, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    other = FeatureCache(tiny("wav2vec2-base"), limit_gb=1, device="cpu")
    computed = count_computed(other, monkeypatch)
    start, end = filling(other, rows, caplog)
    while_computing(cache, monkeypatch, start)
    cache.fill(rows, bar=False)
    assert end() == [] and not computed
    assert torch.equal(other.features_of("c1"), cache.features_of("c1"))


def test_two_runs_at_once_keep_the_limit(cache, rows, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    other = FeatureCache(tiny("wav2vec2-base", seed=1), limit_gb=1, device="cpu")
    cache.limit_bytes = other.limit_bytes = 1.5 * room_for(cache, LENGTHS)
    start, end = filling(other, rows, caplog)
    while_computing(cache, monkeypatch, start)
    cache.fill(rows, bar=False)
    (refused,) = end()
    assert "no room to cache 3 of 3 clips" in str(refused)
    assert held_bytes(cache) == room_for(cache, LENGTHS) <= cache.limit_bytes


RANK = """
import datetime
import torch.distributed as dist
from ser_brain.core.log import show_progress
from ser_brain.training.device import gather, rank
from ser_brain.training.feature_cache import FeatureCache
from tests.models.test_encoders import tiny
show_progress()
dist.init_process_group("gloo")
cache = FeatureCache(tiny("wav2vec2-base"), limit_gb=1, device="cpu")
dist.distributed_c10d._set_pg_timeout(datetime.timedelta(seconds=3))
cache.fill({ROWS}, bar=False)
print(gather([rank()]), cache.features_of("c0").dtype)
"""


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch has no gloo")
def test_ranks_wait_with_the_main_one_for_longer_than_for_each_other(rows, tmp_path):
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    shared = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "WORLD_SIZE": "2",
        "TORCHELASTIC_USE_AGENT_STORE": "True", "SER_CACHE": str(tmp_path / "cache"),
    }  # fmt: skip
    pipe, processes = subprocess.PIPE, []
    root = tmp_path / "cache" / "features"
    script = RANK.replace("{ROWS}", repr({"c0": rows["c0"]}))
    with contextlib.ExitStack() as ended:
        with held(root / NAME, "it"):
            for rank in "01":
                process = subprocess.Popen(
                    [sys.executable, "-c", script],
                    env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank},
                    stdout=pipe,
                    stderr=pipe if rank == "0" else None,
                    text=True,
                )
                ended.callback(process.kill)
                processes.append(process)
            while "waiting for process" not in (line := processes[0].stderr.readline()):
                assert line, "the main rank ended"
            time.sleep(4)
        said = [process.communicate(timeout=60)[0] for process in processes]
    assert said == ["[0, 1] torch.float16\n"] * 2


def test_a_complete_cache_is_not_locked(cache, rows, caplog):
    caplog.set_level(logging.INFO)
    cache.fill(rows, bar=False)
    assert "front end: computing 3 of 3 clips (0.00 GB) into " in caplog.text
    assert "front end: 3 clips are in the cache " in caplog.text
    assert held_bytes(cache) == room_for(cache, LENGTHS)
    with held(cache.root / NAME, "it"):
        FeatureCache(tiny("wav2vec2-base"), limit_gb=1, device="cpu").fill(rows, bar=False)
    assert "waiting" not in caplog.text


def test_what_killed_runs_left_is_removed(cache, rows, tmp_path):
    for folder in (cache.folder, cache.root / "another front end"):
        left = folder / ".partial-0.f16-abcdefgh"
        left.mkdir(parents=True)
        (left / "0.f16").write_bytes(b"half")
    cache.fill(rows, bar=False)
    assert not list(cache.root.rglob(".partial-*"))
    assert not (cache.root / NAME).exists()


def room_for(cache, lengths):
    frames = int(cache.encoder.frame_lengths(torch.tensor(lengths)).sum())
    return frames * cache.channels * 2 + len(lengths) * 4


def held_bytes(cache):
    return sum(file.stat().st_size for file in cache.root.rglob("*") if file.is_file())


def test_damaged_features_are_computed_again_but_not_during_a_run(
    cache, rows, caplog, monkeypatch
):
    cache.fill(rows, bar=False)
    before = cache.features_of("c1")
    for harm in (Path.unlink, lambda file: file.write_bytes(b"damaged")):
        harm(cache.files["c1"])
        match = r"were damaged or removed during the run.*continues after"
        with pytest.raises(SERError, match=match):
            cache.features_of("c1")
        cache.fill(rows, bar=False)
        assert torch.equal(cache.features_of("c1"), before)
    assert "are damaged; computing them again" in caplog.text
    cache.files["c1"].write_bytes(b"damaged")
    refuse(monkeypatch, cache.files["c1"])
    with pytest.raises(SERError, match=r"Cannot write .*\.f16: Operation not permitted"):
        cache.fill(rows, bar=False)


def test_what_was_not_used_for_longest_makes_room(cache, rows):
    cache.fill({"c0": rows["c0"]}, bar=False)
    cache.fill({"c1": rows["c1"]}, bar=False)
    old, recent = (cache.folder / f"{audio_names(rows)[i]}.f16" for i in ("c0", "c1"))
    ago = time.time() - 2 * IN_USE_S
    os.utime(old, (ago, ago))
    cache.limit_bytes = recent.stat().st_size + old.stat().st_size
    cache.fill({"c2": rows["c2"]}, bar=False)
    assert not old.exists() and recent.exists()


def test_no_room(cache, rows):
    cache.fill({"c0": rows["c0"]}, bar=False)
    held = set(cache.folder.iterdir())
    cache.limit_bytes = 1
    said = (
        r"^no room to cache 1 of 1 clips: they take 0\.00 GB; feature_cache_gb is 1e-09 "
        r"\(0\.00 in use\), 0\.01 would be enough; the disk has \d+\.\d\d GB free$"
    )
    with pytest.raises(NoRoom, match=said):
        cache.fill({"c1": rows["c1"]}, bar=False)
    assert set(cache.folder.iterdir()) == held  # a run may be reading it


def test_room_to_the_last_byte_of_the_limit_and_of_the_disk(cache, rows, monkeypatch):
    cache.limit_bytes = room_for(cache, LENGTHS)
    cache.fill(rows, bar=False)
    cache.files["c1"].unlink()
    cache.limit_bytes -= 1
    with pytest.raises(NoRoom):
        cache.fill(rows, bar=False)
    cache.limit_bytes = 1e9
    usage = shutil.disk_usage(cache.root)._replace(free=10)
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda path: usage)
    said = r"GB; feature_cache_gb is 1 \(0\.00 in use\); the disk has 0\.00 GB free$"
    with pytest.raises(NoRoom, match=said):
        cache.fill(rows, bar=False)


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        SERError, match=r"Cannot write .*file.*a new run can do.*feature_cache_gb=0"
    ):
        FeatureCache(tiny("wav2vec2-base"), limit_gb=1, device="cpu")


def test_values_beyond_float16(cache, rows, monkeypatch):
    loud = lambda waves, lengths: (torch.full((1, 400, 16), 7e4), lengths)  # noqa: E731
    monkeypatch.setattr(cache.encoder, "front", loud)
    with pytest.raises(SERError, match=r"beyond float16 for .*0\.wav; .*--feature_cache_gb=0"):
        cache.fill({"c0": rows["c0"]}, bar=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_cached(family):
    assert can_cache(tiny(family)) == (family != "compact")
    assert can_cache(tiny(family, freeze="all")) == (family != "compact")
    assert not can_cache(tiny(family, freeze="none"))


def test_what_is_another_users_cannot_make_room(cache, rows, monkeypatch):
    cache.fill({"c0": rows["c0"]}, bar=False)
    (other,) = cache.files.values()
    ago = time.time() - 2 * IN_USE_S
    os.utime(other, (ago, ago))
    cache.limit_bytes = other.stat().st_size
    refuse(monkeypatch, other)
    with pytest.raises(NoRoom, match="no room to cache 1 of 1 clips"):
        cache.fill({"c1": rows["c1"]}, bar=False)


def refuse(monkeypatch, file):
    unlink = Path.unlink

    def refused(path, missing_ok=False):
        if path == file:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)


FEATURES_TC = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


@pytest.fixture
def file(tmp_path):
    write_features(tmp_path / "deep" / "a.f16", FEATURES_TC.astype(np.float16))
    return tmp_path / "deep" / "a.f16"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-10],
        lambda content: content[:4],
        lambda content: b"",
        lambda content: content[:20] + b"?" + content[21:],
        lambda content: b"\0" * len(content),
        lambda content: content + content[-10:],
    ],
)
def test_read_as_written_and_damage_is_found(file, damage):
    found_TC = read_features(file, 5, np.dtype("<f2"))
    assert found_TC.dtype == np.float16
    np.testing.assert_array_equal(found_TC, FEATURES_TC.astype(np.float16))
    found_TC[0] = 1  # a tensor may share its memory
    with pytest.raises(Damaged):
        read_features(file, 4, np.dtype("<f2"))  # another width
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(Damaged):
        read_features(file, 5, np.dtype("<f2"))


@pytest.mark.parametrize("family", ["wav2vec2-base", "xls-r", "whisper"])
def test_the_front_end_decides(family):
    first = front_digest(tiny(family))
    assert front_digest(tiny(family)) == first
    assert front_digest(tiny(family, layer=2)) == first
    assert front_digest(tiny(family, freeze="all")) == first
    assert front_digest(tiny(family, config={"attention_dropout": 0.4})) == first
    encoder = tiny(family)
    with torch.no_grad():
        encoder.encoder.layers[0].final_layer_norm.weight.add_(1)
    assert front_digest(encoder) == first  # behind the front end
    with torch.no_grad():
        next(next(iter(encoder.front_modules())).parameters()).flatten()[0].add_(1e-3)
    assert front_digest(encoder) != first


def test_an_encoder_without_weights_has_a_digest(monkeypatch):
    encoder = Encoder("none", 1, 400, freeze="all")
    monkeypatch.setattr(encoder, "settings", lambda: {"family": "none"})
    monkeypatch.setattr(encoder, "front_modules", lambda: iter(()))
    first = front_digest(encoder)
    assert front_digest(encoder) == first
    encoder.libraries = ("pytest",)  # its version counts
    assert front_digest(encoder) != first


def test_settings_and_versions_count_too(monkeypatch):
    first = front_digest(tiny("xls-r"))
    config = {"conv_stride": [5, 2, 2, 2, 2, 2, 1]}
    assert front_digest(tiny("xls-r", config=config)) != first
    encoder = tiny("xls-r")
    encoder.normalize = not encoder.normalize
    assert front_digest(encoder) != first
    monkeypatch.setattr(feature_cache, "FORMAT_VERSION", feature_cache.FORMAT_VERSION + 1)
    assert front_digest(tiny("xls-r")) != first


def test_audio_is_its_content_and_its_part(tmp_path):
    for name, content in (("a.wav", b"one"), ("copy.wav", b"one"), ("b.wav", b"two")):
        (tmp_path / name).write_bytes(content)
    places = {
        "a": ("a.wav", None, None),
        "copy": ("copy.wav", None, None),
        "b": ("b.wav", None, None),
        "part": ("a.wav", 0.0, 1.0),
        "other part": ("a.wav", 1.0, 2.0),
    }
    rows = {
        i: {"wav": str(tmp_path / wav), "start": start, "stop": stop}
        for i, (wav, start, stop) in places.items()
    }
    names = audio_names(rows)
    assert names["a"] == names["copy"]
    assert len({names[i] for i in names}) == 4
    (tmp_path / "a.wav").write_bytes(b"new")
    assert audio_names(rows)["a"] != names["a"]
    gone = {"wav": str(tmp_path / "gone.wav"), "start": None, "stop": None}
    with pytest.raises(SERError, match=r"Cannot use .*gone\.wav: No such file.*Prepare"):
        audio_names({"a": gone})

"""A model that is published, and then loaded by its name."""

import pathlib
import shutil

import huggingface_hub.constants as constants
import numpy as np
import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.files import write_checksums
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.publishing.contents import plan_upload
from ser_brain.publishing.hub import publish
from tests.inference.tiny_models import write_model

CLIP_S = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype("float32")


def score(source, revision=None):
    recognizer = EmotionRecognizer.from_pretrained(str(source), revision, "cpu")
    row = recognizer.predict(CLIP_S, 16_000, embedding=True)
    return {**row, "name": None}, recognizer.card["source"]


def new_cache(monkeypatch, folder):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))


def test_what_is_published_scores_as_it_did(hub, voice, tmp_path, monkeypatch):
    first = publish(plan_upload(voice, "lab/voice", tag="v1.0"))
    local, _ = score(voice)
    for number, revision in enumerate(["v1.0", first.commit, "main", None]):
        new_cache(monkeypatch, tmp_path / f"cache {number}")
        found, source = score("lab/voice", revision)
        assert found == local
        assert source == f"lab/voice@{first.commit}"

    write_model(tmp_path / "other", seed=1)
    shutil.copy(tmp_path / "other/model.safetensors", voice)
    write_checksums(voice, "config.json", "model.safetensors")
    second = publish(plan_upload(voice, "lab/voice", tag="v2.0"))
    assert second.sent == ["SHA256SUMS", "model.safetensors"]
    for number, revision in enumerate(["v1.0", first.commit]):
        new_cache(monkeypatch, tmp_path / f"later cache {number}")
        assert score("lab/voice", revision)[0] == local
    other, _ = score(voice)
    assert score("lab/voice")[0] == score("lab/voice", "v2.0")[0] == other != local


def test_only_what_is_read_is_fetched(hub, voice):
    publish(plan_upload(voice, "lab/voice"))
    score("lab/voice")
    fetched = {path.rpartition("/")[2] for _, path in hub.called("GET", "/resolve/|/large/")}
    weights = hub.repositories["lab/voice"].at("main")["model.safetensors"].oid
    assert fetched == {"SHA256SUMS", "config.json", weights}


def test_a_pull_request_can_be_tried_before_it_is_merged(hub, voice):
    made = publish(plan_upload(voice, "lab/voice", pull_request=True))
    assert score("lab/voice", "refs/pr/1") == (score(voice)[0], f"lab/voice@{made.commit}")


def test_what_cannot_be_loaded(hub, voice, monkeypatch):
    publish(plan_upload(voice, "lab/voice"))
    with pytest.raises(SERError, match="at revision v9"):
        score("lab/voice", "v9")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(SERError, match="does not accept the token.*hf auth login"):
        score("lab/voice")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SERError, match="hf auth login"):
        score("lab/voice")


def test_half_a_snapshot_in_the_cache_is_completed(hub, voice):
    made = publish(plan_upload(voice, "lab/voice"))
    score("lab/voice", made.commit)
    snapshots = pathlib.Path(constants.HF_HUB_CACHE, "models--lab--voice/snapshots")
    (snapshots / made.commit / "config.json").unlink()
    assert score("lab/voice", made.commit)[0] == score(voice)[0]

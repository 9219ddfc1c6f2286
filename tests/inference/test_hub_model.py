"""Where a model is."""

import os
import shutil

import pytest

from ser_brain.errors import SERError
from ser_brain.inference import hub_model
from ser_brain.inference.hub_model import find_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch, wav2vec2_folder):
    """A hub's cache that holds one commit of one model."""
    import huggingface_hub.constants as constants

    repository = tmp_path / "hub" / "models--lab--voice"
    shutil.copytree(wav2vec2_folder, repository / "blobs")
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        os.symlink(f"../../blobs/{name}", snapshot / name)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return snapshot


def test_a_folder(tmp_path):
    assert find_model(str(tmp_path)) == (tmp_path, tmp_path.name)


def test_a_folder_has_no_revision(tmp_path):
    with pytest.raises(SERError, match="a folder, which has no revision 'v1'"):
        find_model(str(tmp_path), "v1")


@pytest.mark.parametrize(
    "source",
    [
        "nowhere",
        "~nobody-of-that-name/x",
        "~nobody-of-that-name",
        "../../none",
        "/etc/none",
        "a/b/c",
        "a/.",
        "a/..",
    ],
)
def test_what_is_neither_folder_nor_id(source):
    with pytest.raises(SERError, match="No model at"):
        find_model(source)


def test_a_commit_in_the_cache_is_not_asked_for(cache, offline, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", None)
    assert find_model("lab/voice", COMMIT) == (cache, f"lab/voice@{COMMIT}")


def test_a_branch_is_taken_from_the_cache_where_the_hub_cannot_be_reached(cache, offline):
    assert find_model("lab/voice")[0].samefile(cache)


def test_what_nobody_has(cache, offline):
    with pytest.raises(SERError, match="cannot be fetched .* hf download lab/other"):
        find_model("lab/other")


def test_an_id_that_the_hub_refuses(offline):
    with pytest.raises(SERError, match="cannot be fetched"):
        find_model("lab/voice..1", COMMIT)


def test_only_what_is_read_is_fetched(tmp_path, monkeypatch):
    asked = {}

    def download(repository, **wanted):
        asked.update(wanted, repository=repository)
        return tmp_path / COMMIT

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert find_model("lab/voice", "v1") == (tmp_path / COMMIT, f"lab/voice@{COMMIT}")
    assert asked == {
        "repository": "lab/voice",
        "revision": "v1",
        "allow_patterns": ["config.json", "model.safetensors", "SHA256SUMS"],
        "etag_timeout": hub_model.TIMEOUT_S,
    }


def test_what_went_wrong_is_told_without_the_token(tmp_path, monkeypatch):
    def download(repository, **wanted):
        cause = OSError("hf_secret was refused\nmore")
        raise RuntimeError("While it was fetched:\nmore") from cause

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")
    with pytest.raises(SERError, match=r"\(While it was fetched: \*\*\* was refused\)"):
        find_model("lab/voice")

"""A model folder that may be published, and a hub on this machine to publish it on."""

import logging
import shutil
import time

import pytest
from huggingface_hub.utils import enable_progress_bars

from ser_brain.core.files import write_checksums
from tests.inference.tiny_models import write_model
from tests.publishing.hub import TOKEN, Hub

CARD = """---
license: cc-by-4.0
language: de
library_name: speechbrain
pipeline_tag: audio-classification
model-index:
- name: voice
  results:
  - task: {type: audio-classification}
    dataset: {type: emodb, name: Emo-DB, split: test}
    metrics: [{type: recall, name: UAR, value: 0.5}]
---

# A voice

![confusion](figures/confusion.png)

## What it is not for

A diagnosis.

## Training data

Noise.
"""
RESULTS = "- dataset: {id: emodb, task_id: UAR}\n  value: 0.5\n"


@pytest.fixture(scope="session")
def published_folder(tmp_path_factory):
    """A tiny model with a card that shows a figure, and notes that are nobody's business."""
    folder = tmp_path_factory.mktemp("publishing") / "voice"
    write_model(folder)
    (folder / "README.md").write_text(CARD)
    (folder / "figures").mkdir()
    (folder / "figures/confusion.png").write_bytes(b"\x89PNG")
    (folder / ".eval_results").mkdir()
    (folder / ".eval_results/emodb.yaml").write_text(RESULTS)
    write_checksums(folder)
    (folder / "figures/draft.png").write_bytes(b"\x89PNG draft")
    (folder / "notes.txt").write_text("to myself")
    (folder / "drafts").mkdir()
    (folder / "drafts/README.md").write_text("draft")
    return folder


@pytest.fixture
def voice(published_folder, tmp_path):
    """A copy of it to change."""
    return shutil.copytree(published_folder, tmp_path / "voice")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that this process takes for the only one, logged in; no call may be unknown."""
    import huggingface_hub.constants as constants

    with Hub() as hub:
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between its retries
        yield hub
    enable_progress_bars()  # which the command turns off
    assert not hub.unknown


@pytest.fixture
def everything_said(caplog, capsys):
    """A function that gives all that was printed or logged so far, whatever the level."""
    caplog.set_level(logging.DEBUG)

    def said():
        streams = capsys.readouterr()
        return streams.out + streams.err + caplog.text

    return said

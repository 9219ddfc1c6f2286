"""Recordings of any format, for ``ser predict`` and the Python interface alike."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from data_prep.common.prepare import prepare
from ser_brain import EmotionRecognizer
from ser_brain.core.errors import SERError
from tests.inference.stand_in import RATE_HZ, noise, write
from tests.inference.tiny_models import write_model
from tests.tiny_corpus import loaded


@pytest.fixture
def model(tmp_path):
    """The folder of a tiny wav2vec 2.0."""
    write_model(tmp_path / "model")
    return tmp_path / "model"


def test_an_answer_that_is_not_finite_is_an_error_that_names_the_model(model, ser):
    """Finite weights whose products overflow."""
    weights = load_file(model / "model.safetensors")
    weights["classifier.weight"] = torch.full_like(weights["classifier.weight"], 3e38)
    save_file(weights, model / "model.safetensors")
    said = ser("predict", write(model.parent / "a.wav", noise(1)), "--model", model, code=2)
    assert "tiny wav2vec2-base gives no usable scores: its log_probabilities are" in said.err
    assert "nan" not in said.out
    with pytest.raises(SERError, match="gives no usable scores"):
        EmotionRecognizer.from_pretrained(model).predict(noise(1), RATE_HZ)


def test_no_mps_for_predict_and_the_api(model, refused):
    """A traceback in both."""
    with pytest.raises(SERError, match="Bad device 'mps'"):
        EmotionRecognizer.from_pretrained(model, device="mps")
    clip = write(model.parent / "a.wav", noise(1))
    refused("predict", clip, "--model", model, "--device", "mps")


def test_hidden_files_are_listed_by_neither(model, facts):
    """The API listed the ._a.wav that macOS adds beside every file."""
    folder = model.parent / "clips"
    write(folder / "a.wav", noise(1))
    (folder / "._a.wav").write_bytes(b"macOS")
    (row,) = facts("predict", folder, "--model", model)["predictions"]
    (found,) = EmotionRecognizer.from_pretrained(model).predict(folder)
    assert row["file"] == found["name"]


def test_one_file_of_another_kind_costs_no_other_its_score(model, ser):
    """X.raw ended in a traceback; 25: what is not decoded is named."""
    folder = model.parent
    write(folder / "good.wav", noise(1))
    shutil.copy(folder / "good.wav", folder / "wav.raw")
    (folder / "x.raw").write_bytes((noise(1) * 32767).astype("<i2").tobytes())
    (folder / "x.m4a").write_bytes(b"\0\0\0 ftypM4A " + bytes(5000))
    names = [str(folder / name) for name in ("x.raw", "x.m4a", "good", "wav.raw", "good.wav")]
    said = json.loads(ser("predict", *names, "--model", model, "--json", code=1).out)
    assert [row["file"] for row in said["predictions"]] == names[3:]
    raw, m4a, missing = (item["reason"] for item in said["left_out"])
    assert raw.startswith("unreadable: samples without a header") and "ffmpeg -f s16le" in raw
    assert m4a.startswith("unreadable: an MP4 file") and "ffmpeg -i X X.wav" in m4a
    assert missing == "missing; there is good.wav"
    found = EmotionRecognizer.from_pretrained(model).predict(names)
    assert ["error" in row for row in found] == [True, True, True, False, False]
    table = "path,emotion\nx.raw,anger\ngood.wav,anger\nwav.raw,neutral\n"
    (folder / "labels.csv").write_text(table)
    options = {"name": "mixed", "csv": "labels.csv", "allow_partial": True}
    manifest, _ = prepare("table", folder, folder / "manifests", **options)
    assert list(loaded(manifest)) == ["mixed_good", "mixed_wav"]


def test_gsm_recordings_of_telephones_are_scored(model, facts):
    """GSM 6.10 cannot seek, and was taken for truncated."""
    path = write(model.parent / "call.wav", noise(9, rate_hz=8000), 8000, subtype="GSM610")
    rows = facts("predict", path, "--model", model, "--window", "4")["predictions"]
    times = [(row["start"], row["stop"]) for row in rows]
    assert times == [(0, 4), (4, 8), (5.04, 9.04)]  # the last block is padded
    assert "error" not in EmotionRecognizer.from_pretrained(model).predict(path)

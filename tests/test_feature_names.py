"""Cached features are found again only if nothing that decides them has changed."""

import inspect

import pytest
import torch
from test_encoders_tiny import tiny

from ser_brain import audio, resampling
from ser_brain.encoders import masking, whisper
from ser_brain.errors import SERError
from ser_brain.feature_names import audio_names, front_digest


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


def test_settings_that_are_no_weights():
    first = front_digest(tiny("xls-r"))
    config = {"conv_stride": [5, 2, 2, 2, 2, 2, 1]}
    assert front_digest(tiny("xls-r", config=config)) != first
    encoder = tiny("xls-r")
    encoder.normalize = not encoder.normalize
    assert front_digest(encoder) != first


@pytest.mark.parametrize("changed", [whisper, masking, resampling, audio])
def test_code_that_computes_them(monkeypatch, changed):
    first, source = front_digest(tiny("whisper")), inspect.getsource
    monkeypatch.setattr(
        "ser_brain.feature_names.inspect.getsource",
        lambda module: "other" if module is changed else source(module),
    )
    assert front_digest(tiny("whisper")) != first


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


def test_audio_that_cannot_be_read(tmp_path):
    row = {"wav": str(tmp_path / "gone.wav"), "start": None, "stop": None}
    with pytest.raises(SERError, match=r"Cannot use .*gone\.wav: No such file.*Prepare"):
        audio_names({"a": row})

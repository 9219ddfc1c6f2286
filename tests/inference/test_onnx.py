"""model.onnx: written, run and compared."""

import sys
from pathlib import Path

import pytest
import torch

from ser_brain.core.errors import SERError
from ser_brain.inference import onnx
from ser_brain.inference.onnx import OnnxModel, largest_difference, sounds, write_onnx
from ser_brain.models.encoders.egemaps import EGeMAPS
from ser_brain.models.model import score_exactly
from tests.inference.tiny_models import model_and_config
from tests.models.test_encoders import clips, padded

SMALL = {
    "wav2vec2-base": {
        "num_hidden_layers": 1,
        "conv_dim": [16, 16],
        "conv_kernel": [10, 3],
        "conv_stride": [5, 2],
    },
    "whisper": {"encoder_layers": 1},
}


@pytest.fixture(autouse=True)
def installed():
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    "family, options",
    [
        ("compact", {"dilations": [1]}),
        ("wav2vec2-base", {"emotions": []}),
        ("whisper", {"va_range": None, "pooling": "mean_std", "spectrum": "log_mel"}),
    ],
)
def test_a_graph_gives_single_clip_scores_in_any_batch(family, options, tmp_path):
    if family in SMALL:
        options = {**options, "config": SMALL[family]}
    model, config = model_and_config(family, **options)
    assert write_onnx(tmp_path / "model.onnx", model, config) <= 1e-5
    content = (tmp_path / "model.onnx").read_bytes()
    for word in (str(Path.cwd()), sys.prefix, str(tmp_path), ".py", "stack_trace"):
        assert word.encode() not in content, word  # nothing of the machine that wrote it
    graph = OnnxModel(tmp_path / "model.onnx")
    assert graph.facts["emotions"] == config.emotions
    assert graph.facts["va_range"] == config.va_range
    waves = clips([4800, 12_345, model.encoder.min_samples])
    waveforms_BS, lengths_B = padded(waves, fill=1e3)
    found = graph(waveforms_BS.numpy(), lengths_B.numpy())
    for row, wave in enumerate(waves):
        alone = score_exactly(model, *padded([wave]))
        assert alone.keys() == found.keys()
        for name, expected in alone.items():
            assert found[name][row] == pytest.approx(expected[0].numpy(), abs=2e-5)
    too_short = model.encoder.min_samples - 1
    with pytest.raises(SERError, match=f"Clips of {too_short} .* this model takes"):
        graph(waveforms_BS.numpy(), lengths_B.clamp(max=too_short).numpy())
    with pytest.raises(SERError, match="in a batch of 12345"):
        graph(waveforms_BS.numpy(), lengths_B.clamp(min=12_346).numpy())


class Graph:
    """A graph that scores as the model does, but for one number."""

    def __init__(self, model, error):
        self.model, self.error = model, error

    def __call__(self, waveforms_BS, lengths_B):
        rows = [
            score_exactly(self.model, wave_S[:length][None], length[None])
            for wave_S, length in zip(*sounds(lengths_B.tolist()), strict=True)
        ]
        found = {name: [row[name][0].numpy().copy() for row in rows] for name in rows[0]}
        found["log_probabilities"][-1][2] += self.error
        return found


def test_scores_that_differ_are_refused():
    model, _ = model_and_config("compact")
    assert largest_difference(Graph(model, 0.0), model) == 0
    with pytest.raises(SERError, match="differ from the model's by .*e-04; nothing"):
        largest_difference(Graph(model, 1e-3), model)


def test_what_cannot_be_a_graph_is_refused(tmp_path, monkeypatch):
    def refuse(*_, **options):
        raise torch.onnx.OnnxExporterError("Failed to decompose\nat great length")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(SERError, match=r"into an ONNX graph \(Failed to decompose\)"):
        write_onnx(tmp_path / "model.onnx", *model_and_config("compact"))


def test_what_another_program_computes_is_refused(tmp_path):
    model, config = model_and_config("compact")
    model.encoder.why_no_onnx = EGeMAPS.why_no_onnx  # openSMILE may be missing
    with pytest.raises(SERError, match="openSMILE computes what egemaps gives"):
        write_onnx(tmp_path / "model.onnx", model, config)


def test_packages_that_are_missing_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx, "NEEDED", ("json", "no_such_package"))
    with pytest.raises(SERError, match=r"no_such_package: pip install 'ser-recipes\[onnx"):
        write_onnx(tmp_path / "m", *model_and_config("compact"))


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x08"])
def test_a_file_that_is_not_a_graph(content, tmp_path):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(SERError, match="is not a graph of `ser export --onnx`"):
        OnnxModel(tmp_path / "model.onnx")

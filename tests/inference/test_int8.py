"""model.int8.onnx: written, run and compared."""

import numpy as np
import pytest

from ser_brain.core.errors import SERError
from ser_brain.inference.inputs import Input
from ser_brain.inference.int8 import write_int8
from ser_brain.inference.labelled_clips import Clip
from ser_brain.inference.onnx import OnnxModel, write_onnx
from tests.inference.tiny_models import EMOTIONS, model_and_config

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def clips():
    generator = np.random.default_rng(0)
    made = []
    for n in range(12):
        times_S = np.arange(6000 + 500 * n) / RATE_HZ
        wave_S = 0.3 * np.sin(2 * np.pi * 150 * (1 + n) * times_S)
        wave_S += 0.02 * generator.standard_normal(len(wave_S))
        sound = Input(f"clip {n}", samples=wave_S.astype(np.float32), rate_hz=RATE_HZ)
        made.append(Clip(sound, emotion=EMOTIONS[n % 2] if n < 10 else None))
    return made


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """The graph of a tiny Whisper, and its model."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    options = {"config": {"encoder_layers": 1}, "pooling": "mean_std", "spectrum": "log_mel"}
    model, config = model_and_config("whisper", **options)
    write_onnx(path, model, config)
    return path


def test_the_products_of_the_encoder_are_rounded_channel_by_channel(graph, clips, tmp_path):
    import onnx

    change = write_int8(tmp_path / "model.int8.onnx", graph, clips)
    before, after = OnnxModel(graph), OnnxModel(tmp_path / "model.int8.onnx")
    assert after.facts == before.facts
    rounded = onnx.load(tmp_path / "model.int8.onnx").graph
    scales = {t.name: tuple(t.dims) for t in rounded.initializer if "scale" in t.name}
    # Of one layer: queries, keys, values, output and the two of the feed-forward.
    assert sum(size != () for size in scales.values()) == 6
    kept = {node.op_type for node in rounded.node} & {"LayerNormalization", "Conv", "Gemm"}
    assert kept == {"LayerNormalization", "Conv", "Gemm"}

    assert change.clips == 6 and 0 < change.mean < change.largest < 0.05
    assert change.same_class is not None and len(change.uar) == 2
    largest = []
    for clip in clips:
        feed = clip.sound.samples[None], np.array([len(clip.sound.samples)])
        one, other = before(*feed), after(*feed)
        probabilities = [np.exp(scores["log_probabilities"]) for scores in (one, other)]
        values = [scores["valence_arousal"] / 4 for scores in (one, other)]
        largest.append(max(np.abs(x - y).max() for x, y in (probabilities, values)))
    assert change.largest in largest


def test_a_model_whose_answers_change_is_refused(graph, clips, tmp_path):
    import onnx
    from onnx import numpy_helper

    model = onnx.load(graph)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("va_head.linear.weight"):
            weights = 1000 * numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(SERError, match=r"the answers change by .* on average over 6 clips"):
        write_int8(tmp_path / "out.onnx", tmp_path / "model.onnx", clips)
    with pytest.raises(SERError, match="1 clip to calibrate with; expected two or more"):
        write_int8(tmp_path / "out.onnx", graph, clips[:1])
    short = Clip(Input("short", samples=np.zeros(100, np.float32), rate_hz=RATE_HZ))
    with pytest.raises(SERError, match="^short: A clip of 0.006 s is too short"):
        write_int8(tmp_path / "out.onnx", graph, [short, short])


def test_without_labels_only_the_answers_are_compared(graph, clips, tmp_path):
    unlabelled = [Clip(clip.sound) for clip in clips[:4]]
    change = write_int8(tmp_path / "model.int8.onnx", graph, unlabelled)
    assert change.clips == 2 and change.uar is None

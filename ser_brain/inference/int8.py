"""``model.int8.onnx``: the graph of ``model.onnx`` with its large matrix products in 8 bits.

Weights have a scale for each output channel. What enters a product has one scale, which covers
what it was on calibration clips, so nothing is measured while the graph runs. Spectra, norms,
attention between frames, pooling and heads stay in float32. Other clips say what the rounding
changes.
"""

from __future__ import annotations

import logging
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.evaluation.metrics import confusion_matrix, uar
from ser_brain.inference.labelled_clips import Clip
from ser_brain.inference.onnx import OnnxModel, require_onnx
from ser_brain.inference.waveform import longest, prepare

logger = get_logger(__name__)
INT8 = "model.int8.onnx"
MOST_CLIPS = 64  # that calibrate, and as many others that are compared
MOST_CHANGE = 0.05  # of an answer, on average over the clips that are compared


@dataclass(frozen=True)
class Change:
    """How far the answers of ``model.int8.onnx`` are from those of ``model.onnx``.

    Attributes
    ----------
    clips : int
        That were compared. None of them calibrated.
    mean, largest : float
        Of a clip, the largest change of a probability, or of a dimension as a share of its
        scale; the mean and the maximum over the clips.
    same_class : float or None
        Share of the clips with the same most likely class.
    uar : (float, float) or None
        Before and after, on those clips whose class is known; None without two classes.
    """

    clips: int
    mean: float
    largest: float
    same_class: float | None
    uar: tuple[float, float] | None


def write_int8(path: Path, graph: Path, clips: Sequence[Clip]) -> Change:
    """Round the matrix products of a graph, and compare the answers.

    Parameters
    ----------
    path : Path
        ``model.int8.onnx``. Its inputs, outputs and metadata are those of ``graph``.
    graph : Path
        ``model.onnx``.
    clips : sequence of Clip
        Like those that the model is for. Of many, 128 are drawn; one half calibrates, and the
        other is compared.

    Raises
    ------
    SERError
        If there are fewer than two clips, a clip cannot be read, or the answers change by more
        than :data:`MOST_CHANGE` on average.
    """
    require_onnx(("onnx", "onnxruntime"))
    if len(clips) < 2:
        raise SERError(
            f"{len(clips)} clip to calibrate with; expected two or more, and better a hundred: "
            "half of them calibrate, and the others are compared."
        )
    drawn = random.Random(0).sample([*clips], min(len(clips), 2 * MOST_CLIPS))
    before = OnnxModel(graph)
    waves = [_waveform(clip, before.facts) for clip in drawn]
    half = len(drawn) // 2
    logger.info(f"int8: {half} clips calibrate, {len(drawn) - half} are compared")
    quantize(path, graph, waves[:half])
    change = compare(before, OnnxModel(path), drawn[half:], waves[half:])
    if not change.mean <= MOST_CHANGE:
        raise SERError(
            f"In 8 bits the answers change by {change.mean:.3f} on average over "
            f"{change.clips} clips; at most {MOST_CHANGE} is accepted, so nothing was written. "
            "Calibrate with more clips, which should be like those that the model was trained "
            "on, or export without --int8."
        )
    return change


def quantize(path: Path, graph: Path, waveforms: Sequence[np.ndarray]) -> None:
    """Write ``graph`` with products of 8 bits, calibrated on waveforms (S,)."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_static

    model = onnx.load(graph)
    known = {prop.key for prop in model.metadata_props}
    weights = {tensor.name for tensor in model.graph.initializer}
    # Not the mel filters, which multiply from the left, nor attention, which has no weights.
    products = [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and weights & set(node.input) == {node.input[1]}
    ]
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary, _quiet():
        made = Path(temporary) / path.name
        quantize_static(
            graph,
            made,
            _Feeds(waveforms),
            per_channel=True,
            # Of 7 bits: processors without VNNI add pairs of products in 16 bits.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=products,
        )
        model = onnx.load(made)
        kept = [prop for prop in model.metadata_props if prop.key in known]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)
        onnx.save(model, path)


def compare(
    before: OnnxModel, after: OnnxModel, clips: Sequence[Clip], waveforms: Sequence[np.ndarray]
) -> Change:
    """Score clips one by one with two graphs; see :class:`Change`."""
    emotions, va_range = before.facts["emotions"], before.facts["va_range"]
    changes, answers = [], []
    for waveform_S in waveforms:
        one, other = (graph(*_feed(waveform_S).values()) for graph in (before, after))
        found = [0.0]
        if emotions:
            logs = [scores["log_probabilities"][0] for scores in (one, other)]
            found.append(np.abs(np.exp(logs[0]) - np.exp(logs[1])).max())
            answers.append([int(log_E.argmax()) for log_E in logs])
        if va_range:
            values = [scores["valence_arousal"][0] for scores in (one, other)]
            found.append(np.abs(values[0] - values[1]).max() / (va_range[1] - va_range[0]))
        changes.append(float(max(found)))
    same = float(np.mean([a == b for a, b in answers])) if emotions else None
    known = [n for n, clip in enumerate(clips) if emotions and clip.emotion in emotions]
    uars = None
    if len({clips[n].emotion for n in known}) > 1:
        true_N = np.array([emotions.index(clips[n].emotion) for n in known])
        uars = tuple(
            float(uar(confusion_matrix(true_N, answered_N, len(emotions))))
            for answered_N in np.array([answers[n] for n in known]).T
        )
    return Change(len(changes), float(np.mean(changes)), max(changes), same, uars)


def change_text(change: Change) -> str:
    """A change in one line."""
    parts = [
        f"answers change by {change.mean:.3f} on average, {change.largest:.3f} at most, on "
        f"{change.clips} clips that did not calibrate it"
    ]
    if change.same_class is not None:
        parts.append(f"same class for {change.same_class:.1%}")
    if change.uar is not None:
        parts.append(f"UAR {change.uar[0]:.3f} before, {change.uar[1]:.3f} after")
    return "; ".join(parts)


class _Feeds:
    """Clip after clip, as ONNX Runtime's ``CalibrationDataReader`` gives them."""

    def __init__(self, waveforms: Sequence[np.ndarray]):
        self._feeds = map(_feed, waveforms)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def _feed(waveform_S: np.ndarray) -> dict[str, np.ndarray]:
    return {"waveforms": waveform_S[None], "lengths": np.array([len(waveform_S)])}


def _waveform(clip: Clip, facts: dict) -> np.ndarray:
    rate_hz, limits = facts["sample_rate_hz"], (facts["min_samples"], facts["max_samples"])
    try:
        samples, found_hz = clip.sound.read(longest(rate_hz, limits[1]))
        return prepare(samples, found_hz, rate_hz, *limits)[0]
    except SERError as error:
        raise SERError(f"{clip.sound.name}: {error}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that ONNX Runtime logs about graphs."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)

"""Writing ``model.onnx``: from raw padded audio and lengths to scores.

Normalisation and everything else that must not see padding is in the graph, so that a clip's
scores do not depend on its batch there either.

Shapes: B clips, S samples.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ser_brain.errors import SERError
from ser_brain.inference.model import EmotionModel, score_exactly
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.onnx_model import OnnxModel, require_onnx
from ser_brain.log import get_logger

NEEDED = ("onnx", "onnxscript", "onnxruntime")
LARGEST_DIFFERENCE = (
    1e-5  # in units of a clip's largest value of that output, if that is over 1
)
PADDING = 100.0  # what no graph that reads it survives


class _Graph(nn.Module):
    """A model with its scores as a tuple, which is all that a graph can give."""

    def __init__(self, model: EmotionModel):
        super().__init__()
        self.model = model

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model(waveforms, lengths).values())


def write_onnx(path: Path, model: EmotionModel, config: ModelConfig) -> float:
    """Write a model's graph, run it in ONNX Runtime and compare.

    Parameters
    ----------
    path : Path
        ``model.onnx``; inputs ``waveforms`` (B, S) float32 and ``lengths`` (B,) int64, outputs
        with names and shapes of :meth:`EmotionModel.forward`. What its user must know
        (``emotions``, ``min_samples`` ...) is in its metadata.

    Returns
    -------
    float
        Largest difference between a score of the graph in a padded batch and of the model on
        the single clip, as :data:`LARGEST_DIFFERENCE` measures it.

    Raises
    ------
    SERError
        If a package is missing, the graph cannot be made or scores otherwise.
    """
    require_onnx(NEEDED)
    # Of a batch of one, the exporter would make a graph for batches of one.
    example = sounds([config.sample_rate_hz, config.sample_rate_hz // 2 + 1])
    names = list(score_exactly(model, *example))
    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                _Graph(model).eval(),
                example,
                dynamo=True,
                verbose=False,
                input_names=["waveforms", "lengths"],
                output_names=names,
                dynamic_shapes=({0: "batch", 1: "samples"}, {0: "batch"}),
            )
            for node in program.model.graph:
                for value in node.outputs:
                    if value.name in names and not value.is_graph_output():
                        value.name = f"inner_{value.name}"
            facts = graph_facts(model, config)
            program.model.metadata_props.update({k: json.dumps(v) for k, v in facts.items()})
            program.save(path)
    except Exception as error:  # of many kinds, depending on what a graph cannot express
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SERError(f"No ONNX graph of this model can be made ({reason}).") from error
    return largest_difference(OnnxModel(path), model)


def graph_facts(model: EmotionModel, config: ModelConfig) -> dict:
    """What the user of a graph must know."""
    return {
        "name": config.name,
        "emotions": config.emotions,
        "va_range": config.va_range,
        "sample_rate_hz": config.sample_rate_hz,
        "min_samples": model.encoder.min_samples,
        "max_samples": model.encoder.max_samples,
        "resampler": config.resampler,
    }


def largest_difference(graph: OnnxModel, model: EmotionModel) -> float:
    """Score padded batches with a graph and each of their clips with the model.

    Raises
    ------
    SERError
        If they differ by more than rounding.
    """
    differences = []
    shortest = model.encoder.min_samples
    for lengths in ([shortest], [shortest + 80, 16_001, 9000, 48_000], [32_000, 32_000]):
        waveforms_BS, lengths_B = sounds(lengths)
        together = graph(waveforms_BS.numpy(), lengths_B.numpy())
        for row, length in enumerate(lengths):
            alone = score_exactly(
                model, waveforms_BS[row : row + 1, :length], lengths_B[row, None]
            )
            for name, expected in alone.items():
                difference = (expected[0] - torch.from_numpy(together[name][row])).abs().max()
                differences.append(difference / expected.abs().max().clamp(min=1))
    largest = float(torch.stack(differences).max())  # NaN if any of them is
    if not largest <= LARGEST_DIFFERENCE:
        raise SERError(
            f"The ONNX graph's scores differ from the model's by {largest:.1e}; nothing was "
            "written. Export without --onnx, and please report this."
        )
    return largest


def sounds(lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Clips of these lengths with loud padding, (B, S), and the lengths.

    Noise, and tones with noise 80 dB below, which only an exact spectrum keeps apart.
    """
    generator = torch.Generator().manual_seed(0)
    clips = []
    for row, length in enumerate(lengths):
        noise_S = 0.1 * torch.randn(length, generator=generator)
        tone_S = 0.3 * torch.sin(torch.arange(length) * (0.05 + 0.02 * row))
        clips.append(noise_S if row % 2 else tone_S + 1e-4 * noise_S)
    padded_BS = nn.utils.rnn.pad_sequence(clips, batch_first=True, padding_value=PADDING)
    return padded_BS, torch.tensor(lengths)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks, which are about itself."""
    logger = get_logger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

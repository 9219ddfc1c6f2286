"""``model.onnx``: from raw padded audio and lengths to scores.

Normalisation and everything else that must not see padding is in the graph, so a clip's scores
do not depend on its batch there either.

Shapes: B clips, S samples.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ser_brain.core.errors import SERError, first_line
from ser_brain.core.log import get_logger
from ser_brain.data.labels import stated
from ser_brain.inference.model_config import ModelConfig
from ser_brain.models.model import EmotionModel, score_exactly

if TYPE_CHECKING:
    import onnx_ir as ir

ONNX = "model.onnx"
NEEDED = ("onnx", "onnxscript", "onnxruntime")
LARGEST_DIFFERENCE = 1e-5  # relative to a clip's largest value of an output, if that is over 1
PADDING = 100.0  # so loud that a graph which reads padding gives other scores


def write_onnx(path: Path, model: EmotionModel, config: ModelConfig) -> float:
    """Write a model's graph, run it in ONNX Runtime and compare.

    Parameters
    ----------
    path : Path
        ``model.onnx``. Inputs are ``waveforms`` (B, S) float32 and ``lengths`` (B,) int64;
        outputs have the names and shapes of :meth:`EmotionModel.forward`. The metadata holds
        what a user of the graph must know (``emotions``, ``min_samples`` ...).

    Returns
    -------
    float
        Largest difference between a score in a padded batch of the graph and the model's score
        of the single clip; see :data:`LARGEST_DIFFERENCE`.

    Raises
    ------
    SERError
        If a package is missing, the graph cannot be made, or its scores differ.
    """
    require_onnx(NEEDED)
    if why := model.encoder.why_no_onnx:
        raise SERError(
            f"{why}. Export without --onnx and --int8, or train with encoder_source: "
            "functionals."
        )
    # From a batch of one clip, the exporter would make a graph for one clip only.
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
            facts = {
                "name": config.name,
                "emotions": config.emotions,
                "va_range": config.va_range,
                **stated(config.dimensions),
                "sample_rate_hz": config.sample_rate_hz,
                "min_samples": model.encoder.min_samples,
                "max_samples": model.encoder.max_samples,
                "resampler": config.resampler,
            }
            _strip(program.model)
            program.model.metadata_props.update({k: json.dumps(v) for k, v in facts.items()})
            program.save(path)
    except Exception as error:  # the exporter raises many kinds
        raise SERError(
            f"This model cannot be made into an ONNX graph ({first_line(error)})."
        ) from error
    return largest_difference(OnnxModel(path), model)


def _strip(model: ir.Model) -> None:
    """Remove what the exporter notes about itself: stack traces, with paths of this machine."""
    for graph in (model.graph, *model.functions.values()):
        described = [graph, *graph.inputs, *getattr(graph, "initializers", {}).values()]
        for node in graph.all_nodes():
            described += [node, *node.outputs]
        for one in described:
            one.metadata_props.clear()
            one.doc_string = None


class _Graph(nn.Module):
    """The model with its scores as a tuple: a graph cannot return a dict."""

    def __init__(self, model: EmotionModel):
        super().__init__()
        self.model = model

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model(waveforms, lengths).values())


def largest_difference(graph: OnnxModel, model: EmotionModel) -> float:
    """Score padded batches with a graph, and each of their clips with the model.

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
            f"The scores of the ONNX graph differ from the model's by {largest:.1e}; nothing "
            "was written. Export without --onnx, and please report this."
        )
    return largest


def sounds(lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Clips of these lengths with loud padding, (B, S), and the lengths.

    Noise, and tones with noise 80 dB below them, which only an exact spectrum separates.
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
    """Without the warnings of the exporter, which concern its own code."""
    logger = get_logger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class OnnxModel:
    """A graph that ``ser export --onnx`` wrote, run by ONNX Runtime on the CPU.

    A graph computes and cannot refuse, so lengths are checked here before it runs.

    Raises
    ------
    SERError
        If the package is missing, or ``ser export`` did not write the file.
    """

    def __init__(self, path: str | Path, threads: int | None = None):
        require_onnx(["onnxruntime"])
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            facts = self._session.get_modelmeta().custom_metadata_map
            self.facts = {name: json.loads(text) for name, text in facts.items()}
            self._shortest, self._longest = self.facts["min_samples"], self.facts["max_samples"]
        except Exception as error:  # the library's errors have no common class
            raise SERError(
                f"{path} is not a graph of `ser export --onnx` ({first_line(error)})."
            ) from error
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, waveforms_BS: np.ndarray, lengths_B: np.ndarray) -> dict:
        """Score a padded batch, as :meth:`EmotionModel.forward` does, in NumPy arrays.

        Raises
        ------
        SERError
            If a length is beyond the batch or the model's limits, or a score is not finite.
        """
        shortest, longest = int(lengths_B.min()), int(lengths_B.max())
        most = min(waveforms_BS.shape[1], self._longest or np.inf)
        if shortest < self._shortest or longest > most:
            raise SERError(
                f"Clips of {shortest} to {longest} samples in a batch of "
                f"{waveforms_BS.shape[1]}; this model takes {self._shortest} to "
                f"{self._longest or 'any number'}."
            )
        given = {"waveforms": waveforms_BS, "lengths": lengths_B}
        found = dict(zip(self._names, self._session.run(None, given), strict=True))
        if not all(np.isfinite(scores).all() for scores in found.values()):
            raise SERError(
                f"The graph of {self.facts['name']} gives scores that are not finite."
            )
        return found


def require_onnx(packages: Sequence[str]) -> None:
    """Raise an SERError if a package of the extra ``onnx`` is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise SERError(f"ONNX needs {', '.join(missing)}: pip install 'ser-recipes[onnx]'")

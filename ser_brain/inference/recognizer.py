"""``EmotionRecognizer``: a trained model in one line.

Shapes: B clips, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ser_brain.command_line import require_device
from ser_brain.errors import SERError
from ser_brain.inference import waveform
from ser_brain.inference.hub_model import find_model
from ser_brain.inference.inputs import Input, named_inputs
from ser_brain.inference.model import EmotionModel, require_finite, score_exactly
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.model_folder import load_model
from ser_brain.inference.rounding import in_precision, narrow_weights, require_precision
from ser_brain.inference.scores import Scores
from ser_brain.inference.stream import Stream
from ser_brain.log import get_logger

logger = get_logger(__name__)


class EmotionRecognizer:
    """A trained model: audio in; emotions, valence and arousal out.

    Made by :meth:`from_pretrained`. No code of the model's folder is run.

    Attributes
    ----------
    name : str
    emotions : list of str
        Classes, in the order of the outputs; empty where the model predicts none.
    va_range : tuple of float, or None
        Scale of valence and arousal; None where the model predicts neither.
    sample_rate_hz : int
    min_samples, max_samples : int
        Shortest and longest clip; no limit of the model's own is None.
    card : dict
        What is known of it: ``protocol``, ``temperature``, ``training_data``, ``versions``,
        ``source`` ...
    device : str
    precision : {"fp32", "bf16"}
    """

    def __init__(
        self,
        config: ModelConfig,
        model: EmotionModel,
        device: str,
        source: str,
        precision: str = "fp32",
    ):
        self.name = config.name
        self.emotions = list(config.emotions)
        self.va_range = None if config.va_range is None else tuple(config.va_range)
        self.sample_rate_hz = config.sample_rate_hz
        self.min_samples = model.encoder.min_samples
        self.max_samples = model.encoder.max_samples
        self.card = {**config.card, "source": source}
        self.device = device
        self.precision = precision
        self._model = model.to(device)
        if precision == "bf16":
            narrow_weights(self._model.encoder)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        revision: str | None = None,
        device: str | None = None,
        precision: str = "fp32",
    ) -> EmotionRecognizer:
        """Load a model folder, or a model of the hub.

        Parameters
        ----------
        source : str or Path
            Folder that ``ser export`` wrote, or hub id such as ``name/model``.
        revision : str, optional
            Branch, tag or commit of a hub id.
        device : str, optional
            Such as ``cuda:0``; a GPU if there is one otherwise.
        precision : {"fp32", "bf16"}
            bfloat16 is meant for devices with units for it, and rounds: docs/predicting.md says
            how much.

        Raises
        ------
        SERError
            If there is no such model, or it is not safe and sound.
        """
        device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
        require_device(device)
        require_precision(precision, device)
        folder, found = find_model(str(source), revision)
        return cls(*load_model(folder), device, found, precision)

    def prepare(self, samples: np.ndarray, rate_hz: int) -> tuple[np.ndarray, list[str]]:
        """Make a waveform that :meth:`score` takes; see :func:`waveform.prepare`.

        Parameters
        ----------
        samples : numpy.ndarray
            (S,) or (S, channels).
        rate_hz : int

        Returns
        -------
        waveform_S : numpy.ndarray
            float32, mono, at ``sample_rate_hz``.
        warnings : list of str
            Why its scores may mean little.

        Raises
        ------
        SERError
            If the model cannot score it.
        """
        limits = (self.min_samples, self.max_samples)
        return waveform.prepare(samples, rate_hz, self.sample_rate_hz, *limits)

    def score(self, waveforms: Sequence[np.ndarray]) -> list[Scores]:
        """Score clips in one padded batch; each gets what it would get alone.

        In float32 that holds within 1e-5.

        Parameters
        ----------
        waveforms : sequence of numpy.ndarray
            Mono float32 at ``sample_rate_hz``, as :meth:`prepare` makes them.

        Returns
        -------
        list of Scores
            In the order of the clips.

        Raises
        ------
        SERError
            If a clip is no finite waveform or is too short or too long, or the model's answer
            is not finite.
        """
        if len(waveforms) == 0:
            return []
        clips = [torch.from_numpy(_checked(wave_S)) for wave_S in waveforms]
        lengths_B = torch.tensor([len(clip_S) for clip_S in clips]).to(self.device)
        padded_BS = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True).to(self.device)
        with in_precision(self.precision, self.device):
            found = score_exactly(self._model, padded_BS, lengths_B)
        require_finite(found, self.name)
        arrays = {name: tensor.cpu().numpy() for name, tensor in found.items()}
        names = ("log_probabilities", "valence_arousal", "embedding")
        return [
            Scores(*(arrays[name][row].copy() if name in arrays else None for name in names))
            for row in range(len(clips))
        ]

    def predict(
        self,
        x: str | Path | np.ndarray | Sequence,
        rate_hz: int | None = None,
        embedding: bool = False,
    ) -> dict | list[dict]:
        """Predict the emotion of a clip, or of each of several.

        Parameters
        ----------
        x : path, array, (array, rate) or a list of them
            A file, a folder (every audio file in it, in order of names), samples with their
            rate, or a list of such.
        rate_hz : int, optional
            Of arrays that do not bring their own.
        embedding : bool
            Also give the embedding.

        Returns
        -------
        dict or list of dict
            A dict for one clip; for a list or a folder a dict per clip, in order: ``name``,
            ``emotion``, ``probabilities`` (emotion -> p), ``valence``, ``arousal``,
            ``va_range`` (None where the model says nothing), ``warnings`` and, where asked,
            ``embedding``. Of several, one that cannot be scored has ``error`` in place of them.

        Raises
        ------
        SERError
            If a single clip cannot be scored, or ``x`` is no audio.
        """
        clips, several = named_inputs(x, rate_hz)
        if not several:
            return self._predict(clips[0], embedding)
        rows = []
        for clip in clips:
            try:
                rows.append(self._predict(clip, embedding))
            except SERError as error:
                rows.append({"name": clip.name, "error": str(error)})
        failed = sum("error" in row for row in rows)
        if failed:
            logger.warning(f"{failed} of {len(rows)} clips could not be scored.")
        return rows

    def stream(self, rate_hz: int, window_s: float = 4.0, hop_s: float = 1.0) -> Stream:
        """Score a recording that comes in chunks, window by window.

        Parameters
        ----------
        rate_hz : int
            Of the chunks.
        window_s, hop_s : float
            Length of a window, and from the start of one to that of the next.

        Returns
        -------
        Stream
            ``feed(chunk)`` gives the predictions of the windows that are now complete,
            ``finish()`` that of the last window, which ends where the recording ends.
        """
        return Stream(self._predict_samples, rate_hz, window_s, hop_s)

    def _predict(self, clip: Input, embedding: bool) -> dict:
        longest_s = waveform.longest(self.sample_rate_hz, self.max_samples)
        samples, rate_hz = clip.read(longest_s)
        return {"name": clip.name, **self._predict_samples(samples, rate_hz, embedding)}

    def _predict_samples(
        self, samples: np.ndarray, rate_hz: int, embedding: bool = False
    ) -> dict:
        waveform_S, warnings = self.prepare(samples, rate_hz)
        (scores,) = self.score([waveform_S])
        row = {**scores.named(self.emotions, self.va_range), "warnings": warnings}
        return {**row, "embedding": scores.embedding.tolist()} if embedding else row


def _checked(waveform_S: np.ndarray) -> np.ndarray:
    found = np.asarray(waveform_S)
    if found.ndim != 1 or found.dtype != np.float32 or not np.isfinite(found).all():
        raise SERError(
            f"Bad waveform of shape {found.shape} and type {found.dtype}; expected (samples,), "
            "float32, finite. prepare() makes one."
        )
    return np.ascontiguousarray(found)

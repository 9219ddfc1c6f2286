"""``EmotionRecognizer``: a trained model, loaded in one line.

Shapes: B clips, S samples, C emotions, D embedding size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import get_logger
from ser_brain.data.labels import NO_ANSWER, VALENCE_AROUSAL
from ser_brain.inference import waveform
from ser_brain.inference.inputs import Input, clips_of
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.model_folder import find_model, load_model
from ser_brain.inference.published import PublishedModel, is_published, load_published
from ser_brain.inference.results import Prediction, Predictions, require_answerable
from ser_brain.inference.windows import Stream, Windows, check_windows
from ser_brain.models.model import EmotionModel, require_finite, score_exactly
from ser_brain.training.device import PRECISIONS, has_bf16, require_device
from ser_brain.training.run import ADAPTER

if TYPE_CHECKING:
    from ser_brain.training.adapted import Adapter

logger = get_logger(__name__)
ENROLLED = "enrolled"  # stands for the person of enrol()


class EmotionRecognizer:
    """A trained model: audio in; emotions, valence, arousal, dominance out.

    Made by :meth:`from_pretrained`, which runs no code of the model's folder.

    Attributes
    ----------
    name : str
    emotions : list of str
        Classes, in the order of the outputs; empty if the model predicts none.
    va_range : tuple of float, or None
        Scale of the dimensions; None if the model predicts none.
    dimensions : tuple of str
        Those that it predicts of valence, arousal and dominance, in this order.
    sample_rate_hz : int
    min_samples, max_samples : int
        Shortest and longest clip; None if the model has no limit.
    card : dict
        What is known about it: ``protocol``, ``temperature``, ``training_data``, ``versions``,
        ``source`` ...
    device : str
    precision : {"fp32", "bf16"}
    config : ModelConfig
    model : EmotionModel or PublishedModel
        What computes; on ``device``.
    """

    def __init__(
        self,
        config: ModelConfig,
        model: EmotionModel | PublishedModel,
        device: str,
        source: str,
        precision: str = "fp32",
        adapter: Path | None = None,
    ):
        self.name = config.name
        self.emotions = list(config.emotions)
        self.va_range = None if config.va_range is None else tuple(config.va_range)
        self.dimensions = () if config.va_range is None else tuple(config.dimensions)
        self.sample_rate_hz = config.sample_rate_hz
        self.min_samples = model.encoder.min_samples
        self.max_samples = model.encoder.max_samples
        self.card = {**config.card, "source": source}
        self.device = device
        self.precision = precision
        self.config, self._adapter = config, adapter
        self.model = model.to(device)
        if precision == "bf16":
            narrow_weights(self.model.encoder)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        revision: str | None = None,
        device: str | None = None,
        precision: str = "fp32",
        labels: Mapping[str, str] | None = None,
    ) -> EmotionRecognizer:
        """Load a model folder, or a model of the hub; ours or one that others published.

        Parameters
        ----------
        source : str or Path
            Folder that ``ser export`` wrote, or one of
            :mod:`ser_brain.inference.published`, or hub id such as ``name/model``.
        revision : str, optional
            Branch, tag or commit of a hub id.
        device : str, optional
            Such as ``cuda:0``; by default a GPU if there is one.
        precision : {"fp32", "bf16"}
            bfloat16 is for devices that compute in it, and rounds scores: docs/predicting.md
            shows by how much.
        labels : mapping, optional
            Of a published model: its names of classes -> ours, such as ``{"LABEL_0":
            "anger"}``. Everyday words need no entry.

        Raises
        ------
        SERError
            If there is no such model, or it is damaged or unsafe.
        """
        device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
        require_device(device)
        require_precision(precision, device)
        folder, found = find_model(str(source), revision)
        if not is_published(folder):
            if labels:
                raise SERError(f"{found} names its classes as we do; leave out labels.")
            adapter = folder / ADAPTER if (folder / ADAPTER).is_file() else None
            return cls(*load_model(folder), device, found, precision, adapter)
        if precision != "fp32":
            raise SERError(f"{found} is not ours; it is scored in fp32, as published.")
        return cls(*load_published(folder, labels), device, found)

    def prepare(self, samples: np.ndarray, rate_hz: int) -> tuple[np.ndarray, list[str]]:
        """Make a waveform that :meth:`score` takes, and warnings: see ``waveform.prepare``."""
        limits = (self.min_samples, self.max_samples)
        return waveform.prepare(samples, rate_hz, self.sample_rate_hz, *limits)

    def score(self, waveforms: Sequence[np.ndarray]) -> list[Scores]:
        """Score clips in one padded batch; each gets the scores (within 1e-5) it gets alone.

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
            If a clip is not a finite waveform or is too short or too long, or a score is not
            finite.
        """
        if len(waveforms) == 0:
            return []
        clips = [torch.from_numpy(_checked(wave_S)) for wave_S in waveforms]
        lengths_B = torch.tensor([len(clip_S) for clip_S in clips]).to(self.device)
        padded_BS = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True).to(self.device)
        narrow = self.precision == "bf16"
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=narrow):
            found = score_exactly(self.model, padded_BS, lengths_B)
        require_finite(found, self.name)
        arrays = {name: tensor.cpu().numpy() for name, tensor in found.items()}
        rows = [
            {name: of_all[place].copy() for name, of_all in arrays.items()}
            for place in range(len(clips))
        ]
        return [
            Scores(row.get("log_probabilities"), row.get("valence_arousal"), row["embedding"])
            for row in rows
        ]

    def predict(
        self,
        x: Any,
        rate_hz: int | None = None,
        embedding: bool = False,
        *,
        classes: Sequence[str] | None = None,
        min_confidence: float = 0.0,
    ) -> Any:
        """Predict the emotion of one clip or of several.

        Parameters
        ----------
        x : path, bytes, file object, array, tensor, (array, rate), dict, or several of these
            A file, a folder (every audio file below it, sorted by name), the content of a file,
            samples (S,) or (S, channels) with their rate in either order, or a Hugging Face
            audio dict. A list, another iterable or a column of pandas is several clips.
            Integers of 16 and 32 bits are scaled; channels are averaged.
        rate_hz : int, optional
            Rate of arrays and tensors that come without one.
        embedding : bool
            Return the embedding, too.
        classes : sequence of str, optional
            Those that may be answered; the others are left out. ``probabilities`` then sum to 1
            over these, and ``renormalised`` is the probability that they had together.
        min_confidence : float
            If no class is as probable as this, ``emotion`` is ``no_answer``.

        Returns
        -------
        Prediction or Predictions
            For one clip a dict; for several, also of a folder, a list of one dict per clip, in
            order: ``name``, ``emotion``, ``probabilities`` (emotion -> p), ``valence``,
            ``arousal``, ``va_range`` (None if the model does not predict it), ``dominance`` if
            it does, ``warnings`` and, if asked for, ``embedding``. Of several clips, one that
            cannot be scored has ``error`` instead.

        Raises
        ------
        SERError
            If a single clip cannot be scored, ``x`` is not audio, or the model has no such
            class.
        """
        require_answerable(self.emotions, classes, min_confidence)
        chosen = {"classes": classes, "min_confidence": min_confidence}
        clips, several = clips_of(x, rate_hz)
        if not several:
            return self._predict(clips[0], embedding, **chosen)
        index = getattr(x, "index", None)  # of a column of pandas; of a list it is a method
        rows = Predictions(index=None if callable(index) else index)
        for clip in clips:
            try:
                rows.append(self._predict(clip, embedding, **chosen))
            except SERError as error:
                rows.append(Prediction(name=clip.name, error=str(error)))
        failed = sum("error" in row for row in rows)
        if failed:
            logger.warning(f"{failed} of {len(rows)} clips could not be scored.")
        return rows

    def enrol(self, x: Any, rate_hz: int | None = None) -> EmotionRecognizer:
        """Adapt to one person by a few of her clips, without labels.

        Ten clips in her usual voice, or in all her voices, are a good start. A single clip
        teaches nothing of her. Nothing is stored but the new head.

        Parameters
        ----------
        x, rate_hz
            As in :meth:`predict`.

        Returns
        -------
        EmotionRecognizer
            For this person; the recogniser itself stays as it is.

        Raises
        ------
        SERError
            If the model cannot be adapted, or no clip can be read.
        """
        from ser_brain.inference.adapting import embed_clips, unlabelled_head, with_emotion_head

        embeddings_ND, _ = embed_clips(self, clips_of(x, rate_hz)[0])
        speakers = [ENROLLED] * len(embeddings_ND)
        head = unlabelled_head(self.adapter(), embeddings_ND, speakers, ENROLLED)
        model = with_emotion_head(self.model, self.emotions, head)
        return EmotionRecognizer(
            self.config, model, self.device, self.card["source"], self.precision
        )

    @property
    def parameters(self) -> int:
        """How many numbers were learned; 0 for a graph, whose weights are unknown."""
        return sum(tensor.numel() for tensor in self.model.parameters())

    @property
    def has_adapter(self) -> bool:
        """Whether clips without labels can adapt it."""
        return self._adapter is not None and bool(self.emotions)

    def adapter(self, alone: bool = True) -> Adapter:
        """What adapts the emotion head to clips without labels.

        Parameters
        ----------
        alone : bool
            Nothing else is known: neither labels, nor which of several speakers speaks.

        Raises
        ------
        SERError
            If the model has none, or it is damaged, or such clips alone cannot adapt it.
        """
        from ser_brain.inference.adapting import OF_ONE_CORPUS, WITHOUT_ADAPTER
        from ser_brain.training.adapted import Adapter

        if self._adapter is None or not self.has_adapter:
            raise SERError(f"{self.name} {WITHOUT_ADAPTER}")
        adapter = Adapter.load(self._adapter)
        if alone and adapter.linear.corpora == 1:
            raise SERError(f"{self.name} {OF_ONE_CORPUS}")
        return adapter

    def __repr__(self) -> str:
        predicted = [*self.emotions, *self.dimensions]
        return f"EmotionRecognizer({self.name!r}: {', '.join(predicted)}; {self.device})"

    def embedding(self, clip: Input) -> list[float]:
        """The embedding (D,) of one clip."""
        return self._predict(clip, embedding=True)["embedding"]

    def stream(
        self,
        rate_hz: int,
        window_s: float = 4.0,
        hop_s: float = 1.0,
        *,
        embedding: bool = False,
        classes: Sequence[str] | None = None,
        min_confidence: float = 0.0,
    ) -> Stream:
        """Score a recording that comes in chunks, window by window.

        Parameters
        ----------
        rate_hz : int
            Of the chunks.
        window_s, hop_s : float
            Length of a window, and from the start of one to that of the next.
        embedding : bool
            Return the embeddings, too.
        classes, min_confidence
            As in :meth:`predict`.

        Returns
        -------
        Stream
            ``feed(chunk)`` returns the predictions for the windows that are now complete,
            ``finish()`` the one for the last window, which ends where the recording ends.

        Raises
        ------
        SERError
            If the model cannot score such windows, or speech would fall between them.
        """
        waveform.require_rate(rate_hz)
        check_windows(window_s, hop_s, self)
        require_answerable(self.emotions, classes, min_confidence)
        predict = partial(
            self._predict_samples,
            embedding=embedding,
            classes=classes,
            min_confidence=min_confidence,
        )
        return Stream(predict, Windows(window_s, hop_s, rate_hz), rate_hz)

    def read_clip(self, clip: Input) -> tuple[np.ndarray, list[str]]:
        """Read a clip as :meth:`score` takes it, (S,), with warnings: see :meth:`prepare`."""
        return self.prepare(*clip.read(waveform.longest(self.sample_rate_hz, self.max_samples)))

    def _predict(self, clip: Input, embedding: bool, **chosen: Any) -> Prediction:
        row = self._scored(*self.read_clip(clip), embedding, **chosen)
        return Prediction({"name": clip.name, **row})

    def _predict_samples(
        self, samples: np.ndarray, rate_hz: int, embedding: bool = False, **chosen: Any
    ) -> dict[str, Any]:
        return self._scored(*self.prepare(samples, rate_hz), embedding, **chosen)

    def _scored(
        self, waveform_S: np.ndarray, warnings: list[str], embedding: bool, **chosen: Any
    ) -> dict[str, Any]:
        (scores,) = self.score([waveform_S])
        row = scores.named(self.emotions, self.va_range, self.dimensions, **chosen)
        row["warnings"] = warnings
        return {**row, "embedding": scores.embedding.tolist()} if embedding else row


def _checked(waveform_S: np.ndarray) -> np.ndarray:
    found = np.asarray(waveform_S)
    if found.ndim != 1 or found.dtype != np.float32 or not np.isfinite(found).all():
        raise SERError(
            f"Bad waveform of shape {found.shape} and type {found.dtype}; expected (samples,), "
            "float32, finite. prepare() makes one."
        )
    return np.ascontiguousarray(found)


@dataclass(frozen=True)
class Scores:
    """A model's scores for one clip.

    Attributes
    ----------
    log_probabilities : numpy.ndarray, shape (C,), or None
        Calibrated, in the order of ``EmotionRecognizer.emotions``.
    valence_arousal : numpy.ndarray, shape (V,), or None
        The values of ``EmotionRecognizer.dimensions``, in the units of its ``va_range``, not
        clipped to it.
    embedding : numpy.ndarray, shape (D,)
    """

    log_probabilities: np.ndarray | None
    valence_arousal: np.ndarray | None
    embedding: np.ndarray

    def named(
        self,
        emotions: Sequence[str],
        va_range: Sequence[float] | None,
        dimensions: Sequence[str] = VALENCE_AROUSAL,
        classes: Sequence[str] | None = None,
        min_confidence: float = 0.0,
    ) -> dict[str, Any]:
        """The scores by name, in JSON types; None for what the model does not predict.

        With ``classes``, probabilities are of these alone and sum to 1; ``renormalised`` is
        what they had together. Below ``min_confidence`` the emotion is ``no_answer``.

        Examples
        --------
        >>> scores = Scores(np.log([0.25, 0.75]), None, np.zeros(2))
        >>> scores.named(["anger", "neutral"], None)["emotion"]
        'neutral'
        >>> scores.named(["anger", "neutral"], None, min_confidence=0.8)["emotion"]
        'no_answer'
        """
        values = dict.fromkeys((*VALENCE_AROUSAL, *dimensions))
        row: dict[str, Any] = dict.fromkeys(("emotion", "probabilities", *values, "va_range"))
        if self.log_probabilities is not None:
            logs_C = self.log_probabilities.astype(np.float64)
            if classes is not None:
                logs_C = logs_C[[list(emotions).index(name) for name in classes]]
                total = np.logaddexp.reduce(logs_C)
                emotions, logs_C = classes, logs_C - total
                row["renormalised"] = float(np.exp(total))
            p_C = np.exp(logs_C)
            row["probabilities"] = dict(zip(emotions, p_C.tolist(), strict=True))
            sure = p_C.max() >= min_confidence
            row["emotion"] = emotions[int(p_C.argmax())] if sure else NO_ANSWER
        if self.valence_arousal is not None and va_range is not None:
            row |= zip(dimensions, self.valence_arousal.tolist(), strict=True)
            row["va_range"] = list(va_range)
        return row


def require_precision(precision: str, device: str) -> None:
    """Stop at an unknown precision; warn of one that is slow on this device.

    Raises
    ------
    SERError
        If it is neither fp32 nor bf16.
    """
    if precision not in PRECISIONS:
        raise bad_value("precision", precision, PRECISIONS)
    if precision == "bf16" and not has_bf16(device):
        logger.warning(
            "This device only emulates bf16, which is then slower than fp32 and less exact."
        )


def narrow_weights(encoder: nn.Module) -> None:
    """Store the weights of linear layers and convolutions in bfloat16.

    Autocast would convert them again for every clip. Norms, positions and weights that are
    computed from others (weight norm) stay in float32.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Linear | nn.Conv1d) and not is_parametrized(module):
            module.to(torch.bfloat16)

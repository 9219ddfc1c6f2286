"""``EmotionRecognizer``: a trained model in one line.

Shapes: B clips, S samples.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import get_logger
from ser_brain.data import audio
from ser_brain.inference import waveform
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.model_folder import find_model, load_model
from ser_brain.inference.waveform import too_long
from ser_brain.inference.windows import Stream
from ser_brain.models.model import EmotionModel, require_finite, score_exactly
from ser_brain.training.device import PRECISIONS, has_bf16, require_device


@dataclass(frozen=True)
class Scores:
    """What a model says of one clip.

    Attributes
    ----------
    log_probabilities : numpy.ndarray, shape (C,), or None
        Calibrated, in the order of ``EmotionRecognizer.emotions``.
    valence_arousal : numpy.ndarray, shape (2,), or None
        In the units of ``EmotionRecognizer.va_range``, not clipped to it.
    embedding : numpy.ndarray, shape (D,)
    """

    log_probabilities: np.ndarray | None
    valence_arousal: np.ndarray | None
    embedding: np.ndarray

    def named(self, emotions: Sequence[str], va_range: Sequence[float] | None) -> dict:
        """The scores by name, in JSON types; None where the model says nothing.

        Examples
        --------
        >>> scores = Scores(np.log([0.25, 0.75]), None, np.zeros(2))
        >>> scores.named(["anger", "neutral"], None)["emotion"]
        'neutral'
        """
        row = dict.fromkeys(("emotion", "probabilities", "valence", "arousal", "va_range"))
        if self.log_probabilities is not None:
            probabilities = np.exp(self.log_probabilities.astype(np.float64))
            row["probabilities"] = dict(zip(emotions, probabilities.tolist(), strict=True))
            row["emotion"] = emotions[int(probabilities.argmax())]
        if self.valence_arousal is not None:
            row["valence"], row["arousal"] = self.valence_arousal.tolist()
            row["va_range"] = list(va_range)
        return row


# A folder's other files are no audio.
SUFFIXES = audio.SUFFIXES
NO_UTF8 = "its name is no UTF-8; rename it"

# Problems that the waveform's own checks tell better.
LEFT_TO_WAVEFORM = ("silent", "too short", "not a number", "not at full scale 1")


@dataclass(frozen=True)
class Input:
    """One clip: a file, or samples with their rate."""

    name: str
    path: Path | None = None
    samples: np.ndarray | None = None
    rate_hz: int | None = None

    def read(self, longest_s: float) -> tuple[np.ndarray, int]:
        """Samples (S,) or (S, channels) and rate.

        Raises
        ------
        SERError
            If the file cannot be read or is longer than ``longest_s``.
        """
        if self.path is None:
            return self.samples, self.rate_hz
        try:
            self.name.encode()
            audio.inspect(self.path)
        except UnicodeEncodeError:
            raise SERError(f"Cannot read the file: {NO_UTF8}.") from None
        except audio.AudioProblem as problem:
            if str(problem) not in LEFT_TO_WAVEFORM:
                said = problem_of(self.path, problem)
                raise SERError(f"Cannot read the file: {said}.") from None
        try:
            with audio.opened(self.path) as file:
                duration_s = file.frames / file.samplerate
                if duration_s > longest_s:  # before hours of it fill the memory
                    raise too_long(duration_s, longest_s)
                samples = file.read(file.frames, dtype="float32", always_2d=True)
                return samples, file.samplerate
        except audio.DAMAGED as error:
            raise SERError(f"Cannot read the file: {error}.") from error


def named_inputs(
    x: str | Path | np.ndarray | Sequence, rate_hz: int | None
) -> tuple[list[Input], bool]:
    """The clips that an argument means, and whether it means several.

    Parameters
    ----------
    x : path, array, (array, rate) or a list of them
    rate_hz : int, optional
        Of arrays that do not bring their own.

    Raises
    ------
    SERError
        If ``x`` is no audio, an array has no rate, or a folder holds no audio.

    Examples
    --------
    >>> named_inputs([np.zeros(8), (np.zeros(8), 8000)], 16000)[0][1].rate_hz
    8000
    """
    if isinstance(x, str | Path) and Path(x).is_dir():
        return _folder(Path(x)), True
    if isinstance(x, list):
        return [_one(item, rate_hz, f"clip {n}") for n, item in enumerate(x)], True
    return [_one(x, rate_hz, "the clip")], False


def _one(x: object, rate_hz: int | None, name: str) -> Input:
    if isinstance(x, str | Path):
        return Input(str(x), path=Path(x))
    if isinstance(x, tuple) and len(x) == 2:
        x, rate_hz = x
    if not isinstance(x, np.ndarray):
        raise SERError(
            f"Cannot score {name}, which is a {type(x).__name__}; expected a file, a folder, a "
            "numpy array with rate_hz, (array, rate), or a list of these."
        )
    if rate_hz is None:
        raise SERError(f"No sampling rate for {name}: give rate_hz with an array.")
    return Input(name, samples=x, rate_hz=rate_hz)


def _folder(folder: Path) -> list[Input]:
    files = [path for path in below(folder) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise no_audio(f"the folder {folder}", below(folder))
    return [Input(str(path), path=path) for path in files]


def below(path: Path) -> list[Path]:
    """A file itself; of a folder every file below it that is not hidden, in order of names."""
    if not path.is_dir():
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


def kinds(files: Iterable[Path]) -> str:
    """How many files there are with each ending, the most frequent first.

    Examples
    --------
    >>> kinds(map(Path, ["a.csv", "b.M4A", "c.m4a", "d"]))
    '2 .m4a, 1 .csv, 1 without an ending'
    """
    counts = Counter(file.suffix.lower() for file in files).most_common()
    return ", ".join(f"{count} {suffix or 'without an ending'}" for suffix, count in counts)


def no_audio(where: str, files: Sequence[Path]) -> SERError:
    """The error for a folder or a pattern without a file that has an ending of audio."""
    found = f"found {kinds(files)}. " if files else ""
    return SERError(
        f"No audio in {where}: {found}Expected files with {', '.join(SUFFIXES)}. Convert "
        "others (ffmpeg -i X X.wav), or name a file itself, which is read by its content."
    )


def problem_of(path: Path, problem: audio.AudioProblem) -> str:
    """Why a file cannot be used, and which one may be meant instead."""
    if str(problem) != "missing":
        return str(problem)
    meant = [suffix for suffix in SUFFIXES if os.path.isfile(f"{path}{suffix}")]
    return f"missing; there is {path.name}{meant[0]}" if meant else "missing"


logger = get_logger(__name__)


def require_precision(precision: str, device: str) -> None:
    """Stop at an unknown precision; warn of one that gains nothing on a device.

    Raises
    ------
    SERError
        If it is neither fp32 nor bf16.
    """
    if precision not in PRECISIONS:
        raise bad_value("precision", precision, PRECISIONS)
    if precision == "bf16" and not has_bf16(device):
        logger.warning(
            "bf16 is emulated here, as this device has no units for it: slower than fp32, and "
            "less exact."
        )


def narrow_weights(encoder: nn.Module) -> None:
    """Keep the weights of products and convolutions in bfloat16, not to round them per clip.

    Norms, positions and what is computed anew from other weights stay in float32.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Linear | nn.Conv1d) and not is_parametrized(module):
            module.to(torch.bfloat16)


def in_precision(precision: str, device: str) -> AbstractContextManager:
    """What a model is run within: PyTorch's autocast to bfloat16, or nothing."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)


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

"""The model as SpeechBrain's ``foreign_class`` loads it.

``ser export`` writes this module, with the encoder's and all that they need, into one file that
imports nothing of this package (:mod:`ser_brain.publishing.speechbrain_export`).

Shapes: B clips, S samples, C emotions, D embedding size.
"""

from __future__ import annotations

import soundfile
import torch
from safetensors.torch import load_file
from speechbrain.inference.interfaces import Pretrained
from speechbrain.utils.fetching import fetch
from speechbrain.utils.parameter_transfer import Pretrainer
from torch import Tensor

from ser_brain.data.resampling import resample
from ser_brain.models.encoders.pretrained import load_strictly
from ser_brain.models.model import require_finite, score_exactly


class SafetensorsPretrainer(Pretrainer):
    """Loads ``model.safetensors`` of the model's folder, every name and shape or none.

    SpeechBrain's own loads ``*.ckpt``, and keeps random weights where a name is wrong.

    Parameters
    ----------
    loadables : dict
        ``{"model": EmotionModel}``.
    prefixes : dict
        Beginnings of names in the model -> in the file, where they differ.
    ignored : list of str
        Tensors of the file that are there for other libraries.
    """

    def __init__(self, loadables: dict, prefixes: dict, ignored: list):
        super().__init__(loadables=loadables)
        self.prefixes = prefixes
        self.ignored = ignored

    def collect_files(self, default_source: str, **fetching: object) -> dict:
        """Fetch the file."""
        self.path = fetch(
            "model.safetensors", default_source, savedir=self.collect_in, **fetching
        )
        return {"model": self.path}

    def load_collected(self) -> None:
        """Load it."""
        stored = load_file(self.path)
        weights = {self._name(name): tensor for name, tensor in stored.items()}
        for name in self.ignored:
            weights.pop(name)
        load_strictly(self.loadables["model"], weights, str(self.path))

    def _name(self, stored: str) -> str:
        for ours, theirs in self.prefixes.items():
            if stored.startswith(theirs):
                return ours + stored.removeprefix(theirs)
        return stored


class EmotionInterface(Pretrained):
    """Emotions, valence and arousal of clips; each clip's scores are its own alone."""

    HPARAMS_NEEDED = ["emotions", "sample_rate_hz"]
    MODULES_NEEDED = ["model"]

    def forward(self, wavs: Tensor, wav_lens: Tensor | None = None) -> dict[str, Tensor]:
        """Score a padded batch.

        Parameters
        ----------
        wavs : torch.Tensor
            (B, S), float32, mono, at ``sample_rate_hz``.
        wav_lens : torch.Tensor, optional
            Lengths as shares of the longest; None where all are equal.

        Returns
        -------
        dict
            ``embedding`` (B, D) and, as far as the model was trained for it,
            ``log_probabilities`` (B, C), calibrated where the model is, and
            ``valence_arousal`` (B, 2).
        """
        if wav_lens is None:
            wav_lens = torch.ones(len(wavs))
        lengths = (wav_lens * wavs.shape[1]).round().long()
        model, device = self.mods.model, self.device
        scores = score_exactly(model, wavs.to(device), lengths.to(device))
        require_finite(scores, model.encoder.name)
        return scores

    def encode_batch(self, wavs: Tensor, wav_lens: Tensor | None = None) -> Tensor:
        """Embeddings (B, D)."""
        return self.forward(wavs, wav_lens)["embedding"]

    def classify_batch(
        self, wavs: Tensor, wav_lens: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, list[str]]:
        """Probabilities (B, C), the highest (B,), its index (B,) and its emotion.

        These four are what SpeechBrain's own emotion model returns.
        """
        probabilities = self.forward(wavs, wav_lens)["log_probabilities"].exp()
        highest, index = probabilities.max(dim=-1)
        return probabilities, highest, index, [self.hparams.emotions[i] for i in index.tolist()]

    def classify_file(self, path: str) -> tuple[Tensor, Tensor, Tensor, list[str]]:
        """What :meth:`classify_batch` gives, of an audio file."""
        return self.classify_batch(self.load_file(path))

    def load_file(self, path: str) -> Tensor:
        """An audio file as a batch of one, (1, S): channels averaged, at the model's rate."""
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        mono = samples.mean(axis=1)
        return torch.from_numpy(resample(mono, rate_hz, self.hparams.sample_rate_hz))[None]

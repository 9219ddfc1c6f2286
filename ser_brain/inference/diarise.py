"""Who speaks when: speech, a voice for every window of it, and clusters of voices.

The voices are those of Resemblyzer, whose package ships the weights: a recurrent network that
was trained to tell speakers apart (Wan et al. 2018, "Generalized end-to-end loss for speaker
verification", *ICASSP*). Only the file of weights is read, so nothing else that the package
asks for has to be installed. Voices are joined to as many clusters as people speak, by Ward's
linkage (1963, *JASA* 58), which confused fewer speakers of emotional speech than average
linkage or spectral clustering. The number of speakers has to be given: see docs/diarising.md.

Shapes: S samples, W windows, F frames, M mel bands, D size of a voice.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torchaudio
from sklearn.cluster import AgglomerativeClustering
from torch import nn

from ser_brain.core.errors import SERError
from ser_brain.data import audio
from ser_brain.data.audio import resample
from ser_brain.data.segment_tables import Part
from ser_brain.inference.segments import BLOCK_S, DETECTOR_HZ, SpeechDetector

INSTALL = "pip install 'ser-recipes[vad]' && pip install --no-deps resemblyzer"
BANDS, VOICE_SIZE, LAYERS = 40, 256, 3
FRAMES_PER_S = 100
WINDOW_F = 160  # as the network was trained
HOP_F = 40
LEVEL_DB = -30.0  # quieter speech is amplified to it, as in training

MOST_CLUSTERED = 5_000  # windows; the distances of more would fill the memory
STRETCH_S = 60.0  # longer speech is embedded part by part


class VoiceEncoder(nn.Module):
    """Mel spectrograms (W, F, M) to voices (W, D) of length 1."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(BANDS, VOICE_SIZE, LAYERS, batch_first=True)
        self.linear = nn.Linear(VOICE_SIZE, VOICE_SIZE)
        self.mel = torchaudio.transforms.MelSpectrogram(
            DETECTOR_HZ,
            n_fft=400,
            hop_length=DETECTOR_HZ // FRAMES_PER_S,
            n_mels=BANDS,
            pad_mode="constant",
            norm="slaney",
            mel_scale="slaney",
        )

    def forward(self, mels_WFM: torch.Tensor) -> torch.Tensor:
        _, (state_LWD, _) = self.lstm(mels_WFM)
        voices_WD = torch.relu(self.linear(state_LWD[-1]))
        return nn.functional.normalize(voices_WD, dim=1, eps=1e-9)

    @torch.inference_mode()
    def windows(self, samples_S: np.ndarray) -> np.ndarray:
        """Voices (W, D) of the windows of 16 kHz speech, one every ``HOP_F`` frames."""
        level_db = 10 * math.log10(float(np.mean(np.square(samples_S))) + 1e-12)
        loud_S = samples_S * 10 ** (max(LEVEL_DB - level_db, 0) / 20)
        mel_FM = self.mel(torch.from_numpy(loud_S.astype(np.float32))).T
        if len(mel_FM) <= WINDOW_F:
            return self(mel_FM[None]).numpy()
        starts = range(0, len(mel_FM) - WINDOW_F + 1, HOP_F)
        return self(torch.stack([mel_FM[at : at + WINDOW_F] for at in starts])).numpy()


def load_voice_encoder() -> VoiceEncoder:
    """The network with the weights of the package ``resemblyzer``.

    Raises
    ------
    SERError
        If the package is not installed.
    """
    package = importlib.util.find_spec("resemblyzer")
    if package is None:
        raise SERError(
            f"--diarise needs the weights of the package resemblyzer: {INSTALL}. Without it, "
            "give the segments of another program (--segments turns.rttm), or score each "
            "channel of a call (--channel each)."
        )
    weights = Path(package.submodule_search_locations[0]) / "pretrained.pt"
    encoder = VoiceEncoder()
    state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
    own = {name: value for name, value in state.items() if name.startswith(("lstm", "linear"))}
    encoder.load_state_dict(own, strict=False)  # what it lacks is the filter bank
    return encoder.eval()


class Diariser:
    """Finds the turns of the speakers of a recording.

    Parameters
    ----------
    speech : SpeechDetector
    voices : callable
        Speech (S,) at ``DETECTOR_HZ`` to the voices of its windows (W, D), of length 1.
    speakers : int
        How many people speak in each recording.
    """

    def __init__(
        self,
        speech: SpeechDetector,
        voices: Callable[[np.ndarray], np.ndarray],
        speakers: int,
    ):
        self._speech, self._voices, self._speakers = speech, voices, speakers

    def turns(self, path: Path) -> list[Part]:
        """The turns in a recording, in the order of time, with ``speaker`` S1, S2 ...

        Speakers are numbered by when they first speak, in each recording anew. Where two speak
        at once, one is found.

        Raises
        ------
        AudioProblem or one of audio.DAMAGED
            If the recording cannot be read.
        """
        places, voices = [], []
        audio.inspect(path)
        with audio.opened(path) as file:
            rate_hz = file.samplerate
            size = BLOCK_S * rate_hz
            blocks = file.blocks(size, frames=file.frames, dtype="float32", always_2d=True)
            for first, samples in self._speech.stretches(blocks, rate_hz, STRETCH_S):
                mono_S = np.ascontiguousarray(samples.mean(axis=1))
                places.append((first / rate_hz, (first + len(samples)) / rate_hz))
                voices.append(self._voices(resample(mono_S, rate_hz, DETECTOR_HZ)))
        if not voices:
            return []
        label_W = clustered(np.concatenate(voices), self._speakers)
        ends = np.cumsum([len(some) for some in voices])[:-1]
        turns = []
        for place, own_W in zip(places, np.split(label_W, ends), strict=True):
            turns += _turns(*place, own_W)
        names: dict[int, str] = {}
        for part in turns:
            names.setdefault(part.facts["speaker"], f"S{len(names) + 1}")
        return [replace(p, facts={"speaker": names[p.facts["speaker"]]}) for p in turns]


def clustered(voices_WD: np.ndarray, speakers: int) -> np.ndarray:
    """A number from 0 to ``speakers`` - 1 for the voice of every window, shape (W,)."""
    # Only every n-th window is clustered; all get the number of the nearest centre.
    chosen_ND = voices_WD[:: math.ceil(len(voices_WD) / MOST_CLUSTERED)]
    count = min(speakers, len(chosen_ND))
    if count == 1:
        return np.zeros(len(voices_WD), int)
    label_N = AgglomerativeClustering(n_clusters=count, linkage="ward").fit_predict(chosen_ND)
    centres_KD = np.stack([chosen_ND[label_N == k].mean(axis=0) for k in range(count)])
    centres_KD /= np.linalg.norm(centres_KD, axis=1, keepdims=True)
    return (voices_WD @ centres_KD.T).argmax(axis=1)


def _turns(start_s: float, stop_s: float, label_W: np.ndarray) -> list[Part]:
    """Turns of a stretch of speech; speakers change midway between windows."""
    changes = np.flatnonzero(np.diff(label_W)) + 1
    middle_s = (WINDOW_F - HOP_F) / 2 / FRAMES_PER_S
    edges = [start_s, *(start_s + middle_s + changes * HOP_F / FRAMES_PER_S), stop_s]
    return [
        Part(round(float(a), 3), round(float(b), 3), {"speaker": int(label)})
        for a, b, label in zip(edges, edges[1:], label_W[[0, *changes]], strict=False)
    ]


def cut_to(parts: Sequence[Part], longest_s: float) -> list[Part]:
    """The same turns, long ones cut into equal parts of at most ``longest_s``.

    Examples
    --------
    >>> [(part.start_s, part.stop_s) for part in cut_to([Part(1, 8), Part(9, 10)], 4)]
    [(1.0, 4.5), (4.5, 8.0), (9.0, 10.0)]
    """
    return [
        replace(part, start_s=float(a), stop_s=float(b))
        for part in parts
        for count in [math.ceil((part.stop_s - part.start_s) / longest_s)]
        for edges in [np.linspace(part.start_s, part.stop_s, count + 1).tolist()]
        for a, b in zip(edges, edges[1:], strict=False)
    ]

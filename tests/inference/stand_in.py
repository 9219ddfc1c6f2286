"""A recogniser without a network: what it says follows from the waveform alone."""

import numpy as np
import soundfile

from ser_brain.inference import waveform
from ser_brain.inference.recognizer import EmotionRecognizer, Scores

RATE_HZ = 16_000


class StandIn:
    """Level and pitch decide; ``batches`` holds the lengths of every batch."""

    name = "stand-in"
    device = "cpu"
    emotions = ["anger", "neutral", "sadness"]
    va_range = (1.0, 5.0)
    dimensions = ("valence", "arousal")
    sample_rate_hz = RATE_HZ
    min_samples = 1600
    max_samples = 30 * RATE_HZ
    has_adapter = False

    def __init__(self):
        self.batches = []

    def prepare(self, samples, rate_hz):
        limits = (self.min_samples, self.max_samples)
        return waveform.prepare(samples, rate_hz, RATE_HZ, *limits)

    def score(self, waveforms):
        self.batches.append([len(wave_S) for wave_S in waveforms])
        return [self._score(wave_S) for wave_S in waveforms]

    def _score(self, wave_S):
        level = float(np.abs(wave_S).mean())
        crossings = float((np.diff(np.sign(wave_S)) != 0).mean())
        logits = np.array([4 * level, 0.2, 1 - 4 * crossings])
        log_probabilities = logits - np.log(np.exp(logits).sum())
        point = np.array([1 + 4 * crossings, min(5.0, 1 + 4 * level)])
        return Scores(log_probabilities, point, np.array([level, crossings]))


def stand_in_model(folder, monkeypatch):
    """Make a folder the working folder, with a model folder that loads as the stand-in."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(EmotionRecognizer, "from_pretrained", lambda *_: StandIn())
    (folder / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / "model" / name).write_text(name)
    return folder


def noise(seconds, seed=0, level=0.1, rate_hz=RATE_HZ):
    """Noise whose level rises and falls, so that no two windows are alike."""
    count = round(seconds * rate_hz)
    swell = 1 + 0.5 * np.sin(np.arange(count) / rate_hz)
    return (level * swell * np.random.default_rng(seed).uniform(-1, 1, count)).astype("float32")


def write(path, samples, rate_hz=RATE_HZ, **options):
    """A sound file, in the format its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".opus":
        options = {"format": "OGG", "subtype": "OPUS"}
    soundfile.write(path, samples, rate_hz, **options)
    return path

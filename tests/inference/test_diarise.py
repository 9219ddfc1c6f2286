"""Who speaks when: turns from given voices, and the weights where they are installed."""

import importlib.util

import numpy as np
import pytest
import torch

from data_prep.demo.render import rendered
from ser_brain.core.errors import SERError
from ser_brain.data import audio
from ser_brain.inference.diarise import (
    Diariser,
    VoiceEncoder,
    clustered,
    load_voice_encoder,
)
from ser_brain.inference.segments import SpeechDetector
from tests.inference.diarised import HIGH_HZ, LOW_HZ, loud, pitch, tones
from tests.inference.stand_in import RATE_HZ, write


def test_turns_of_two_voices_at_a_telephones_rate(tmp_path):
    said = [(LOW_HZ, 4), (0, 1), (HIGH_HZ, 4), (LOW_HZ, 4), (0, 1), (LOW_HZ, 1)]
    path = write(tmp_path / "a.wav", tones(*said)[::2], 8_000)
    found = Diariser(SpeechDetector(loud), pitch, 2).turns(path)
    assert [part.facts["speaker"] for part in found] == ["S1", "S2", "S1", "S1"]
    starts = [part.start_s for part in found]
    assert starts == pytest.approx([0, 5, 9, 14], abs=0.45)  # changes between windows
    assert found[2].start_s == found[1].stop_s
    alone = Diariser(SpeechDetector(loud), pitch, 1).turns(path)
    assert {part.facts["speaker"] for part in alone} == {"S1"}
    silent = write(tmp_path / "b.wav", 0.005 * tones((LOW_HZ, 2)))
    assert Diariser(SpeechDetector(loud), pitch, 2).turns(silent) == []


def test_many_windows_are_clustered_by_some_of_them(monkeypatch):
    monkeypatch.setattr("ser_brain.inference.diarise.MOST_CLUSTERED", 50)
    rng = np.random.default_rng(0)
    true_W = rng.integers(3, size=1_000)
    voices_WD = np.eye(3)[true_W] + rng.normal(scale=0.1, size=(1_000, 3))
    voices_WD /= np.linalg.norm(voices_WD, axis=1, keepdims=True)
    found_W = clustered(voices_WD, 3)
    assert len({*zip(true_W.tolist(), found_W.tolist(), strict=True)}) == 3
    assert clustered(voices_WD[:2], 9).max() == 1


def test_without_the_weights_the_error_says_what_else_there_is(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SERError, match="--no-deps resemblyzer.*--segments.*--channel each"):
        load_voice_encoder()


def test_the_mel_bands_are_those_of_training():
    """Slaney's, from 0 Hz to half the rate: a tone of 1 kHz is 15 mel of 45.245."""
    time_S = np.arange(RATE_HZ) / RATE_HZ
    tone_S = torch.from_numpy(np.sin(2 * np.pi * 1_000 * time_S).astype("float32"))
    mel_MF = VoiceEncoder().mel(tone_S)
    assert mel_MF.shape == (40, 101)
    assert int(mel_MF[:, 50].argmax()) == round(15 / 45.245 * 41) - 1


@pytest.mark.skipif(
    importlib.util.find_spec("resemblyzer") is None,
    reason="the weights are not installed: pip install --no-deps resemblyzer",
)
def test_the_weights_tell_the_speakers_of_the_demo_apart():
    folder = rendered() / "eng"
    encoder, voices, speaker_W = load_voice_encoder(), [], []
    for speaker in sorted(folder.iterdir())[:2]:
        for path in sorted(speaker.glob("*.wav"))[:6]:
            voices.append(encoder.windows(audio.read(path)[0]))
            speaker_W += [speaker.name] * len(voices[-1])
    found_W = clustered(np.concatenate(voices), 2)
    assert len({*zip(speaker_W, found_W.tolist(), strict=True)}) == 2

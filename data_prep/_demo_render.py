"""Rendering the demo corpus: one clip to samples, and many into a folder.

Same seed, same bytes on one platform: every random number comes from the seed and the names of
clip and speaker, so neither the order nor what else is rendered matters.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile
from tqdm import tqdm

from data_prep._demo_acting import Habits, Performance, generator, habits_of, perform
from data_prep._demo_script import DICTIONARIES, EMOTIONS, Clip
from data_prep._espeak import SAMPLE_RATE_HZ as ESPEAK_RATE_HZ
from data_prep._espeak import Prosody, Synthesizer
from ser_brain.files import write_json

SEED = 1980
SAMPLE_RATE_HZ = 16000
# 22,050 Hz -> 16,000 Hz with scipy.signal.resample_poly and its Kaiser window. A longer vocal
# tract is a larger UP: all formants and the pitch sink, and the rate is made up for.
UP, DOWN = 320, 441
LABELS = "clips.json"  # written last: a folder without it was never finished

ESPEAK_VOLUME = 60  # some voices overload at eSpeak's 100; the level is set afterwards
PITCH_ST = (-5.4, -3.4, 0.0, 4.3, 8.8)  # measured on eSpeak NG 1.52, voice m3, at
PITCH = (0, 25, 50, 75, 99)
QUIET = 0.01  # of the peak: what is cut off before and after a phrase
EDGE_S = (0.05, 0.20)
PEAK = 0.98


def render_clip(
    espeak: Synthesizer, clip: Clip, habits: Habits, performance: Performance, seed: int
) -> np.ndarray:
    """Speak one clip.

    Returns
    -------
    numpy.ndarray, shape (S,), float
        At 16 kHz, full scale 1; the same whatever was rendered before.
    """
    espeak.restart()
    draw = generator(seed, "sound", clip.name)
    phrases = []
    texts = (clip.phrases[0] + ",", clip.phrases[1] + ".")
    for text, rate_wpm, pitch_st in zip(
        texts, performance.rates_wpm, performance.pitches_st, strict=True
    ):
        prosody = Prosody(
            rate_wpm=int(np.clip(round(rate_wpm * habits.tract), 80, 450)),
            pitch=round(float(np.interp(pitch_st, PITCH_ST, PITCH))),
            range=int(np.clip(round(performance.range), 0, 99)),
            volume=ESPEAK_VOLUME,
        )
        phrases.append(_trimmed(espeak.say(clip.speaker.voice, text, prosody)))
    before_s, after_s = draw.uniform(*EDGE_S, size=2)
    gaps = [
        np.zeros(round(seconds * ESPEAK_RATE_HZ))
        for seconds in (before_s, performance.pause_s, after_s)
    ]
    speech = np.concatenate([gaps[0], phrases[0], gaps[1], phrases[1], gaps[2]])
    speech = scipy.signal.resample_poly(speech, round(UP * habits.tract), DOWN)
    speech = scipy.signal.lfilter([1.0, habits.microphone], [1.0], speech)
    speech *= 10 ** (performance.level_db / 20) / np.sqrt(np.mean(speech**2))
    room = scipy.signal.lfilter([1.0], [1.0, -0.9], draw.standard_normal(len(speech)))
    speech += room / room.std() * 10 ** (habits.room_db / 20)
    return speech * min(1.0, PEAK / np.abs(speech).max())


def _trimmed(samples: np.ndarray) -> np.ndarray:
    samples = samples.astype(np.float64) / 32768
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def render(folder: Path, script: Iterable[Clip], seed: int = SEED) -> None:
    """Render clips into a folder, and ``clips.json`` when all are there."""
    script = list(script)
    labels = {}
    with Synthesizer(tuple(DICTIONARIES.values())) as espeak:
        for clip in tqdm(script, desc="demo: speaking", unit="clip", disable=None):
            habits = habits_of(clip.speaker, seed)
            performance = perform(clip, habits, seed)
            samples = render_clip(espeak, clip, habits, performance, seed)
            path = folder / clip.speaker.language / clip.speaker.name / f"{clip.name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            content = _wav(samples)
            path.write_bytes(content)
            labels[clip.name] = {
                "path": path.relative_to(folder).as_posix(),
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "speaker": clip.speaker.name,
                "gender": clip.speaker.gender,
                "language": clip.speaker.language,
                "text": clip.text,
                "phrases": list(clip.phrases),
                "raw": clip.code,
                "emotion": EMOTIONS[clip.code],
                "valence": performance.valence,
                "arousal": performance.arousal,
            }
    write_json(folder / LABELS, labels)


def _wav(samples: np.ndarray) -> bytes:
    """A WAV file in memory: a full disk then shows as an OSError with its reason."""
    content = io.BytesIO()
    soundfile.write(content, samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return content.getvalue()

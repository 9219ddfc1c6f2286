"""How the demo corpus acts: from an emotion to a point of valence and arousal, to a voice.

A clip's point is drawn around its emotion's place on the circumplex (Russell, 1980) and is its
label. Everything heard follows from that point, the speaker's habits and chance; the emotion's
name is not used again. Arousal moves many cues and strongly (rate, pitch, range, level),
valence few and weakly (contour, pause, tempo within the sentence), so that anger and happiness
lie close together, as they do in people's voices.

The numbers are made up. The three languages act differently so that a model does not carry over
whole; that is no claim about those who speak them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from data_prep._demo_script import Clip, Speaker

SCALE = (1.0, 5.0)

# Valence and arousal in [-1, 1]: the emotion's place, and how far clips lie around it.
PLACE = {"ang": (-0.55, 0.6), "hap": (0.6, 0.45), "sad": (-0.5, -0.55), "neu": (0.05, -0.05)}
SPREAD = 0.2


@dataclass(frozen=True)
class Style:
    """A language's way of acting: change for one unit of arousal or valence."""

    rate_wpm: float  # unmoved
    arousal_rate: float  # natural logarithm of words a minute
    arousal_pitch_st: float
    arousal_range: float  # eSpeak units of 100
    arousal_level_db: float
    valence_range: float
    valence_contour_st: float  # pitch of the second phrase over the first
    valence_pause: float  # natural logarithm of seconds
    valence_tempo: float  # natural logarithm of the second phrase's rate over the first's


STYLES = {
    "eng": Style(185, 0.20, 2.6, 18, 5.0, 14, 1.8, -0.6, 0.12),
    "deu": Style(170, 0.14, 1.8, 12, 6.0, 6, 1.0, -0.8, 0.02),
    "fas": Style(200, 0.24, 3.2, 10, 3.5, 18, 0.6, -0.2, 0.14),
}

NOISE_RATE = 0.06
NOISE_PITCH_ST = 0.7
NOISE_RANGE = 7.0
NOISE_LEVEL_DB = 1.8
NOISE_CONTOUR_ST = 0.9
NOISE_PAUSE = 0.35
NOISE_TEMPO = 0.06

LEVEL_DB = -27.0  # root mean square, full scale 0 dB
PAUSE_S = 0.16
MOST_LEVEL_DB = -15.0


@dataclass(frozen=True)
class Habits:
    """What a speaker does alike in every clip; drawn once a speaker."""

    rate: float
    pitch_st: float
    level_db: float
    arousal: np.ndarray  # shape (4,): weight of each arousal cue
    valence: np.ndarray  # shape (4,): weight of each valence cue
    room_db: float  # level of the noise of the room
    microphone: float  # first-order colour, -1 dark to 1 bright


@dataclass(frozen=True)
class Performance:
    """A clip's label and how it is spoken."""

    valence: float
    arousal: float
    rates_wpm: tuple[float, float]
    pitches_st: tuple[float, float]
    range: float
    pause_s: float
    level_db: float


def generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers of a clip or speaker, whatever was drawn before for others."""
    digest = hashlib.sha256("\0".join((str(seed), *names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def habits_of(speaker: Speaker, seed: int) -> Habits:
    """A speaker's habits."""
    draw = generator(seed, "habits", speaker.name)
    return Habits(
        rate=draw.normal(0, 0.07),
        pitch_st=speaker.pitch_st,
        level_db=draw.normal(0, 2.0),
        arousal=draw.lognormal(0, 0.25, 4),
        valence=draw.lognormal(0, 0.35, 4),
        room_db=draw.uniform(-62, -50),
        microphone=draw.uniform(-0.4, 0.4),
    )


def perform(clip: Clip, habits: Habits, seed: int) -> Performance:
    """Draw a clip's point, and what a listener hears of it.

    Parameters
    ----------
    clip : Clip
    habits : Habits
        Of the clip's speaker.
    seed : int

    Returns
    -------
    Performance
        Valence and arousal on the scale 1 to 5.
    """
    draw = generator(seed, "point", clip.name)
    valence, arousal = np.clip(draw.normal(PLACE[clip.code], SPREAD), -1, 1)
    style = STYLES[clip.speaker.language]
    rate_a, pitch_a, range_a, level_a = arousal * habits.arousal
    range_v, contour_v, pause_v, tempo_v = valence * habits.valence
    rate = habits.rate + style.arousal_rate * rate_a + draw.normal(0, NOISE_RATE)
    tempo = style.valence_tempo * tempo_v + draw.normal(0, NOISE_TEMPO)
    pitch_st = (
        habits.pitch_st + style.arousal_pitch_st * pitch_a + draw.normal(0, NOISE_PITCH_ST)
    )
    contour_st = style.valence_contour_st * contour_v + draw.normal(0, NOISE_CONTOUR_ST)
    span = style.arousal_range * range_a + style.valence_range * range_v
    pause = style.valence_pause * pause_v - rate + draw.normal(0, NOISE_PAUSE)
    level_db = (
        habits.level_db + style.arousal_level_db * level_a + draw.normal(0, NOISE_LEVEL_DB)
    )
    return Performance(
        valence=_rating(valence),
        arousal=_rating(arousal),
        rates_wpm=tuple(style.rate_wpm * np.exp(rate + half * tempo) for half in (-0.5, 0.5)),
        pitches_st=tuple(pitch_st + half * contour_st for half in (-0.5, 0.5)),
        range=50 + span + draw.normal(0, NOISE_RANGE),
        pause_s=PAUSE_S * float(np.exp(pause)),
        level_db=min(LEVEL_DB + level_db, MOST_LEVEL_DB),
    )


def _rating(value: float) -> float:
    low, high = SCALE
    return round(low + (float(value) + 1) / 2 * (high - low), 3)

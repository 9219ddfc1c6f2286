"""How the demo corpus acts: from an emotion to a point of valence and arousal, to a voice.

A clip's point is drawn around its emotion's place on the circumplex (Russell, 1980) and is its
label. Everything heard follows from that point, the speaker's habits and chance; the emotion's
name is not used again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from data_prep._demo_script import Clip, Speaker
from data_prep._demo_styles import CHANCE, PLACE, SPREAD, STYLES, Change

SCALE = (1.0, 5.0)
LEVEL_DB = -27.0  # root mean square, full scale 0 dB
MOST_LEVEL_DB = -15.0
PAUSE_S = 0.16


@dataclass(frozen=True)
class Habits:
    """What a speaker does alike in every clip; drawn once a speaker.

    Attributes
    ----------
    tract : float
        Length of the vocal tract over that of eSpeak's voice.
    rate, pitch_st, level_db : float
        Own rate (natural logarithm), pitch and level over the language's.
    arousal, valence : numpy.ndarray, shape (7,)
        How much the speaker makes of each cue; around 1.
    room_db : float
        Level of the noise of the room, full scale 0 dB.
    microphone : float
        First-order colour, below 0 dark and above 0 bright.
    """

    tract: float
    rate: float
    pitch_st: float
    level_db: float
    arousal: np.ndarray
    valence: np.ndarray
    room_db: float
    microphone: float


@dataclass(frozen=True)
class Performance:
    """A clip's label, on the scale 1 to 5, and how its two phrases are spoken."""

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
    cues = len(CHANCE.array())
    return Habits(
        tract=draw.uniform(0.95, 1.05),
        rate=draw.normal(0, 0.05),
        pitch_st=draw.normal(0, 0.8),
        level_db=draw.normal(0, 1.0),
        arousal=draw.lognormal(0, 0.15, cues),
        valence=draw.lognormal(0, 0.15, cues),
        room_db=draw.uniform(-62, -52),
        microphone=draw.uniform(-0.25, 0.25),
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
    """
    draw = generator(seed, "point", clip.name)
    valence, arousal = np.clip(draw.normal(PLACE[clip.code], SPREAD), -1, 1)
    style = STYLES[clip.speaker.language]
    change = Change(
        *arousal * habits.arousal * style.arousal.array()
        + valence * habits.valence * style.valence.array()
        + draw.normal(0, CHANCE.array())
    )
    rate = np.log(style.rate_wpm) + habits.rate + change.rate
    pitch_st = habits.pitch_st + change.pitch_st
    halves = (-0.5, 0.5)
    return Performance(
        valence=_rating(valence),
        arousal=_rating(arousal),
        rates_wpm=tuple(float(np.exp(rate + half * change.tempo)) for half in halves),
        pitches_st=tuple(float(pitch_st + half * change.melody_st) for half in halves),
        range=float(50 + change.range),
        pause_s=float(PAUSE_S * np.exp(change.pause)),
        level_db=float(min(LEVEL_DB + habits.level_db + change.level_db, MOST_LEVEL_DB)),
    )


def _rating(value: float) -> float:
    low, high = SCALE
    return round(low + (float(value) + 1) / 2 * (high - low), 3)

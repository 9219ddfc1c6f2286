"""How the demo corpus acts: from an emotion to a point of valence and arousal, to a voice.

A clip's point is drawn around its emotion's place on the circumplex (Russell, 1980) and is its
label. The sound depends only on that point, the speaker's habits and chance, not on the name of
the emotion.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from data_prep.demo.script import Clip, Speaker

# Valence and arousal in [-1, 1]: the point of each emotion, and the spread of clips around it.
PLACE = {"ang": (-0.6, 0.65), "hap": (0.65, 0.6), "sad": (-0.6, -0.7), "neu": (0.05, -0.1)}
SPREAD = 0.18


@dataclass(frozen=True)
class Change:
    """Changes of a clip per unit of arousal or valence; also the deviation of chance."""

    rate: float = 0.0  # natural logarithm of words a minute
    pitch_st: float = 0.0  # semitones
    range: float = 0.0  # eSpeak's units of pitch range, 0 to 99
    level_db: float = 0.0
    melody_st: float = 0.0  # pitch of the second phrase over the first
    tempo: float = 0.0  # rate of the second phrase over the first, natural logarithm
    pause: float = 0.0  # natural logarithm of seconds between the phrases

    def array(self) -> np.ndarray:
        return np.array(list(vars(self).values()))


@dataclass(frozen=True)
class Style:
    """A language's way of acting."""

    rate_wpm: float
    arousal: Change
    valence: Change


STYLES = {
    "eng": Style(
        rate_wpm=195,
        arousal=Change(rate=0.30, pitch_st=4.2, range=20, level_db=7.5, pause=-0.3),
        valence=Change(
            pitch_st=2.4, range=26, level_db=-3.0, melody_st=2.0, tempo=0.12, pause=-0.6
        ),
    ),
    "deu": Style(
        rate_wpm=172,
        arousal=Change(rate=0.22, pitch_st=3.6, range=14, level_db=9.0, pause=-0.2),
        valence=Change(0.12, 0.8, -14, -4.5, melody_st=1.0, tempo=-0.2, pause=-0.9),
    ),
    "fas": Style(
        rate_wpm=215,
        arousal=Change(rate=0.32, pitch_st=4.5, range=-8, level_db=5.5, pause=-0.4),
        valence=Change(-0.14, 2.2, 16, 2.5, melody_st=-2.0, tempo=0.2, pause=-0.6),
    ),
}
CHANCE = Change(
    rate=0.05, pitch_st=0.5, range=5, level_db=1.0, melody_st=0.8, tempo=0.05, pause=0.3
)
SCALE = (1.0, 5.0)
LEVEL_DB = -27.0  # root mean square, full scale 0 dB
MOST_LEVEL_DB = -15.0
PAUSE_S = 0.16


@dataclass(frozen=True)
class Habits:
    """What is the same in all clips of a speaker; drawn once per speaker."""

    tract: float  # length of the vocal tract over that of eSpeak's voice
    rate: float  # over the language's, natural logarithm
    pitch_st: float  # over the language's
    level_db: float  # over the language's
    arousal: np.ndarray  # (7,) factor on each cue; around 1
    valence: np.ndarray  # (7,)
    room_db: float  # level of the noise of the room, full scale 0 dB
    microphone: float  # first-order colour, below 0 dark and above 0 bright


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
    """Random numbers of a clip or speaker, independent of those of others."""
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
    """Draw a clip's point, and derive how it sounds. The habits are those of its speaker."""
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

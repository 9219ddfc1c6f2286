"""How the demo corpus acts, in numbers: what valence and arousal change in each language.

Arousal moves rate, pitch, range and level, all one way. Valence moves them less and against one
another (an English happy voice is higher and wider, an angry one louder), and the pause, the
tempo and the melody from the first phrase to the second; so valence is harder to hear than
arousal, as it is in people's voices.

The numbers are made up. The three languages act differently so that a model does not carry over
whole; that is no claim about those who speak them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Valence and arousal in [-1, 1]: the emotion's place, and how far clips lie around it.
PLACE = {"ang": (-0.6, 0.65), "hap": (0.65, 0.6), "sad": (-0.6, -0.7), "neu": (0.05, -0.1)}
SPREAD = 0.18


@dataclass(frozen=True)
class Change:
    """What one unit of arousal or valence changes in a clip; also the spread of chance.

    Attributes
    ----------
    rate : float
        Natural logarithm of words a minute.
    pitch_st, level_db : float
        Semitones, decibels.
    range : float
        eSpeak's units of pitch range, 0 to 99.
    melody_st : float
        Pitch of the second phrase over the first, semitones.
    tempo : float
        Rate of the second phrase over the first, natural logarithm.
    pause : float
        Natural logarithm of seconds between the phrases.
    """

    rate: float = 0.0
    pitch_st: float = 0.0
    range: float = 0.0
    level_db: float = 0.0
    melody_st: float = 0.0
    tempo: float = 0.0
    pause: float = 0.0

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
        valence=Change(
            rate=0.12,
            pitch_st=0.8,
            range=-14,
            level_db=-4.5,
            melody_st=1.0,
            tempo=-0.2,
            pause=-0.9,
        ),
    ),
    "fas": Style(
        rate_wpm=215,
        arousal=Change(rate=0.32, pitch_st=4.5, range=-8, level_db=5.5, pause=-0.4),
        valence=Change(
            rate=-0.14,
            pitch_st=2.2,
            range=16,
            level_db=2.5,
            melody_st=-2.0,
            tempo=0.2,
            pause=-0.6,
        ),
    ),
}

CHANCE = Change(
    rate=0.05, pitch_st=0.5, range=5, level_db=1.0, melody_st=0.8, tempo=0.05, pause=0.3
)

"""Where Russell puts the emotions, and on which side of each axis.

The angles are cited in ``ser_brain.labels``. Neutral is the circle's centre: its angle means
nothing, so it has no part in what is said of angles and orders. Because much of the literature
draws neutral beside calm all the same, orders are also told with neutral at calm's place, and
marked so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ser_brain.labels import ASSIGNED_ANGLE_DEG, RUSSELL_ANGLE_DEG, prototype

RUSSELL, ASSIGNED, CENTRE = "Russell (1980)", "assigned", "centre"
NEUTRAL = "neutral"
NEUTRAL_AS_CALM_DEG = RUSSELL_ANGLE_DEG["calm"]
# A coordinate nearer to 0 than this is rounding: the word lies on the axis, on no side.
ON_AXIS = 1e-9
AXES = ("valence", "arousal")


def source_of(emotion: str) -> str:
    """Who says where an emotion lies.

    Examples
    --------
    >>> source_of("anger"), source_of("disgust"), source_of("neutral")
    ('Russell (1980)', 'assigned', 'centre')
    """
    if emotion == NEUTRAL:
        return CENTRE
    return RUSSELL if emotion in RUSSELL_ANGLE_DEG else ASSIGNED


def angles_deg(emotions: Sequence[str], neutral_as_calm: bool = False) -> dict[str, float]:
    """Reference angle of every emotion that has one, degrees anticlockwise from pleasure.

    Examples
    --------
    >>> angles_deg(["anger", "neutral"])
    {'anger': 99.0}
    >>> angles_deg(["anger", "neutral"], neutral_as_calm=True)
    {'anger': 99.0, 'neutral': 316.2}
    """
    known = RUSSELL_ANGLE_DEG | ASSIGNED_ANGLE_DEG
    if neutral_as_calm:
        known |= {NEUTRAL: NEUTRAL_AS_CALM_DEG}
    return {emotion: known[emotion] for emotion in emotions if emotion in known}


def targets(emotions: Sequence[str]) -> np.ndarray:
    """Valence and arousal of the emotions on Russell's unit circle, shape (E, 2)."""
    points = [prototype(emotion) for emotion in emotions]
    return np.array([[point[axis] for axis in AXES] for point in points])


def sides(emotions: Sequence[str], axis: str) -> tuple[list[str], list[str]]:
    """The emotions on the high and on the low side of an axis; neutral is on neither.

    Examples
    --------
    >>> sides(["anger", "happiness", "sadness", "neutral"], "arousal")
    (['anger', 'happiness'], ['sadness'])
    >>> sides(["anger", "happiness", "sadness", "neutral"], "valence")
    (['happiness'], ['anger', 'sadness'])
    """
    values = {emotion: prototype(emotion)[axis] for emotion in emotions}
    high = [emotion for emotion, value in values.items() if value > ON_AXIS]
    low = [emotion for emotion, value in values.items() if value < -ON_AXIS]
    return high, low

"""Centroids as angles: their circular order and their correlation with Russell's.

Angles are in degrees. Axes: E emotions, X any leading axes (resamples, permutations).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from ser_brain.analysis.circumplex.bootstrap import mean_over_parts
from ser_brain.data.labels import ASSIGNED_ANGLE_DEG, RUSSELL_ANGLE_DEG, prototype


def polar(means_XE2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angle and radius of centroids about their own mean.

    The mean of the centroids counts every emotion once, however many clips it has.

    Returns
    -------
    angle_XE : ndarray
        Degrees in [0, 360).
    radius_XE : ndarray

    Examples
    --------
    >>> angle, radius = polar(np.array([[2.0, 1.0], [0.0, 1.0]]))
    >>> angle.tolist(), radius.tolist()
    ([0.0, 180.0], [1.0, 1.0])
    """
    about_XE2 = means_XE2 - means_XE2.mean(axis=-2, keepdims=True)
    angle_XE = np.degrees(np.arctan2(about_XE2[..., 1], about_XE2[..., 0])) % 360
    return angle_XE, np.linalg.norm(about_XE2, axis=-1)


def turn(from_deg: np.ndarray, to_deg: np.ndarray) -> np.ndarray:
    """Signed angle from one direction to another, in [-180, 180).

    Examples
    --------
    >>> float(turn(350.0, 10.0)), float(turn(10.0, 350.0))
    (20.0, -20.0)
    """
    return (np.asarray(to_deg) - from_deg + 180) % 360 - 180


def mean_angle(angles_deg: Iterable[np.ndarray]) -> np.ndarray:
    """Circular mean of angles, where they are defined; degrees in [0, 360).

    Examples
    --------
    >>> float(mean_angle([np.array(350.0), np.array(20.0), np.array(np.nan)]).round(6))
    5.0
    """
    radians = [np.radians(angle) for angle in angles_deg]
    sine, cosine = (mean_over_parts(f(r) for r in radians) for f in (np.sin, np.cos))
    return np.degrees(np.arctan2(sine, cosine)) % 360


def circular_correlation(angle_XE: np.ndarray, reference_XE: np.ndarray) -> np.ndarray:
    """Correlation of two sets of angles that no rotation of either changes.

    Fisher and Lee (1983, Biometrika 70(2), section 3), over all pairs of angles. It is chosen
    over that of Jammalamadaka and Sarma (1988) because it needs no mean directions, which
    emotions all round do not have. A reflection of one set changes its sign and nothing else.

    Returns
    -------
    ndarray
        Shape X, in [-1, 1]; NaN with fewer than three angles, which always correlate fully.

    Examples
    --------
    >>> angles = np.array([10.0, 100.0, 200.0])
    >>> float(circular_correlation(angles, angles + 77).round(6))
    1.0
    >>> float(circular_correlation(angles, -angles).round(6))
    -1.0
    """
    sine_XEE, reference_XEE = (
        np.sin(np.radians(a[..., :, None] - a[..., None, :])) for a in (angle_XE, reference_XE)
    )
    over = {"axis": (-2, -1)}
    below = np.sqrt((sine_XEE**2).sum(**over) * (reference_XEE**2).sum(**over))
    above = (sine_XEE * reference_XEE).sum(**over)
    if angle_XE.shape[-1] < 3:
        return np.full(above.shape, np.nan)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def distinct_orders(emotions: int) -> int:
    """Circular orders of so many emotions, up to rotation and reflection.

    Examples
    --------
    >>> [distinct_orders(n) for n in (2, 3, 4, 5, 7)]
    [1, 1, 3, 12, 360]
    """
    return max(1, math.factorial(emotions - 1) // 2)


def order_violations(angle_E: Sequence[float], reference_E: Sequence[float]) -> int:
    """How far one circular order is from another.

    The least number of exchanges of neighbours on the circle that turn the order of the angles
    into the order of the reference, rotated and reflected as suits it best. Emotions with one
    and the same reference angle may stand in either order.

    Examples
    --------
    >>> order_violations([0, 90, 180, 270], [250, 160, 70, 340])
    0
    >>> order_violations([0, 90, 180, 270], [0, 180, 90, 270])
    1
    """
    return _exchanges(tuple(np.take(reference_E, np.argsort(angle_E)).tolist()))


@functools.lru_cache(maxsize=100_000)
def _exchanges(around: tuple[float, ...]) -> int:
    """Exchanges that sort reference angles, read off a circle, into circular order.

    So few exchanges never use every pair of neighbouring places, so that the circle can be cut
    at a pair that is not used: the answer is the smallest count of inversions over all places
    to cut both circles at.
    """
    angle_E = np.array(around)
    size = len(angle_E)
    from_cut_CE = (angle_E - np.unique(angle_E)[:, None]) % 360
    both_CE = np.concatenate([from_cut_CE, from_cut_CE[:, ::-1]])
    first, second = np.triu_indices(size, 1)
    return min(
        int((rolled_CE[:, first] > rolled_CE[:, second]).sum(axis=1).min())
        for rolled_CE in (np.roll(both_CE, shift, axis=1) for shift in range(size))
    )


def correspondence(distance_XEE: np.ndarray, reference_E: np.ndarray) -> np.ndarray:
    """How well distances keep to the circle: emotions that are near on it should be nearer.

    Correspondence index (Hubert and Arabie 1987, Psychol. Bull. 102(1), equation 3): of all
    comparisons of two pairs of emotions that the circle orders, the share that distances order
    the same way minus the share they order the other way. It needs neither plane nor axes.

    Returns
    -------
    ndarray
        Shape X, in [-1, 1]; NaN where the circle orders nothing.

    Examples
    --------
    >>> line = np.array([0.0, 1.0, 3.0])
    >>> float(correspondence(np.abs(line[:, None] - line), np.array([0.0, 20.0, 90.0])))
    1.0
    """
    first, second = np.triu_indices(len(reference_E), 1)
    circle = np.abs(turn(reference_E[first], reference_E[second]))
    predicted = np.sign(circle[:, None] - circle)
    found = distance_XEE[..., first, second]
    kept_X = (predicted * np.sign(found[..., :, None] - found[..., None, :])).sum(axis=(-2, -1))
    compared = np.abs(predicted).sum()
    return kept_X / compared if compared else np.full(kept_X.shape, np.nan)


def alignment(angle_XE: np.ndarray, reference_E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rotation, and where it helps the reflection, that bring angles onto a reference.

    Returns
    -------
    sign_X : ndarray
        -1 where the angles are reflected.
    shift_X : ndarray
        Degrees: ``sign * angle + shift`` has the largest mean cosine to the reference.

    Examples
    --------
    >>> angle, reference = np.array([0.0, 270.0, 170.0]), np.array([5.0, 95.0, 195.0])
    >>> sign, shift = alignment(angle, reference)
    >>> ((sign * angle + shift) % 360).round(6).tolist()
    [5.0, 95.0, 195.0]
    """
    plain_X, mirrored_X = (
        np.exp(1j * np.radians(reference_E - sign * angle_XE)).mean(axis=-1) for sign in (1, -1)
    )
    reflected_X = np.abs(mirrored_X) > np.abs(plain_X) + 1e-12
    shift_X = np.degrees(np.angle(np.where(reflected_X, mirrored_X, plain_X)))
    return np.where(reflected_X, -1, 1), shift_X


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

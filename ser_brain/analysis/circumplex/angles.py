"""Angles on Russell's circle: where emotions belong, and how well found angles agree.

All angles are in degrees, anticlockwise from pleasure. Axes: E emotions, X any leading axes
(resamples, permutations).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from ser_brain.analysis.circumplex.bootstrap import mean_over_parts
from ser_brain.data.labels import ASSIGNED_ANGLE_DEG, RUSSELL_ANGLE_DEG, prototype

AXES = ("valence", "arousal")
ON_AXIS = 1e-9  # a coordinate this near to 0 is rounding error: the word is on the axis


def reference_angles(
    emotions: Sequence[str], neutral_as_calm: bool = False
) -> dict[str, float]:
    """Reference angle of every emotion that has one. Neutral, the centre, has none.

    Examples
    --------
    >>> reference_angles(["anger", "neutral"])
    {'anger': 99.0}
    >>> reference_angles(["anger", "neutral"], neutral_as_calm=True)
    {'anger': 99.0, 'neutral': 316.2}
    """
    known = RUSSELL_ANGLE_DEG | ASSIGNED_ANGLE_DEG
    if neutral_as_calm:
        known |= {"neutral": RUSSELL_ANGLE_DEG["calm"]}
    return {emotion: known[emotion] for emotion in emotions if emotion in known}


def reference_source(emotion: str) -> str:
    """Where the place of an emotion comes from.

    Examples
    --------
    >>> [reference_source(emotion) for emotion in ("anger", "disgust", "neutral")]
    ['Russell (1980)', 'assigned', 'centre']
    """
    if emotion == "neutral":
        return "centre"
    return "Russell (1980)" if emotion in RUSSELL_ANGLE_DEG else "assigned"


def reference_points(emotions: Sequence[str]) -> np.ndarray:
    """Valence and arousal of the emotions on Russell's unit circle, shape (E, 2)."""
    points = [prototype(emotion) for emotion in emotions]
    return np.array([[point[axis] for axis in AXES] for point in points])


def sides(emotions: Sequence[str], axis: str) -> tuple[list[str], list[str]]:
    """The emotions on the high and on the low side of an axis; neutral is on neither.

    Examples
    --------
    >>> sides(["anger", "happiness", "sadness", "neutral"], "valence")
    (['happiness'], ['anger', 'sadness'])
    """
    values = {emotion: prototype(emotion)[axis] for emotion in emotions}
    high = [emotion for emotion, value in values.items() if value > ON_AXIS]
    low = [emotion for emotion, value in values.items() if value < -ON_AXIS]
    return high, low


def polar(means_XE2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angle in [0, 360) and radius of centroids about their own mean, each of shape (X, E).

    The mean of the centroids counts every emotion once, however many clips it has.
    """
    centred_XE2 = means_XE2 - means_XE2.mean(axis=-2, keepdims=True)
    angle_XE = np.degrees(np.arctan2(centred_XE2[..., 1], centred_XE2[..., 0])) % 360
    return angle_XE, np.linalg.norm(centred_XE2, axis=-1)


def angle_difference(from_deg: np.ndarray, to_deg: np.ndarray) -> np.ndarray:
    """Signed angle from one direction to another, in [-180, 180).

    Examples
    --------
    >>> float(angle_difference(350.0, 10.0)), float(angle_difference(10.0, 350.0))
    (20.0, -20.0)
    """
    return (np.asarray(to_deg) - from_deg + 180) % 360 - 180


def circular_mean(angles_deg: Iterable[np.ndarray]) -> np.ndarray:
    """Circular mean, in [0, 360), of those angles that are defined.

    Examples
    --------
    >>> float(circular_mean([np.array(350.0), np.array(20.0), np.array(np.nan)]).round(6))
    5.0
    """
    radians = [np.radians(angle) for angle in angles_deg]
    sine, cosine = (mean_over_parts(f(r) for r in radians) for f in (np.sin, np.cos))
    return np.degrees(np.arctan2(sine, cosine)) % 360


def align(angle_XE: np.ndarray, reference_E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rotation, with a reflection where that helps, that brings angles onto a reference.

    Returns
    -------
    sign_X, shift_X : ndarray
        ``sign * angle + shift`` has the largest mean cosine to the reference. The sign is -1
        where the angles are reflected.
    """
    plain_X, mirrored_X = (
        np.exp(1j * np.radians(reference_E - sign * angle_XE)).mean(axis=-1) for sign in (1, -1)
    )
    reflected_X = np.abs(mirrored_X) > np.abs(plain_X) + 1e-12  # not for a rounding error
    shift_X = np.degrees(np.angle(np.where(reflected_X, mirrored_X, plain_X)))
    return np.where(reflected_X, -1, 1), shift_X


def circular_correlation(angle_XE: np.ndarray, reference_XE: np.ndarray) -> np.ndarray:
    """Correlation of two sets of angles, in [-1, 1]; no rotation of either changes it.

    Fisher and Lee (1983, Biometrika 70(2), section 3), over all pairs of angles. Unlike the
    coefficient of Jammalamadaka and Sarma (1988) it needs no mean directions, which emotions
    all round the circle do not have. A reflection of one set only changes its sign. It is NaN
    for fewer than three angles, which always correlate perfectly.
    """
    sine_XEE, reference_XEE = (
        np.sin(np.radians(a[..., :, None] - a[..., None, :])) for a in (angle_XE, reference_XE)
    )
    pairs = {"axis": (-2, -1)}
    product_X = (sine_XEE * reference_XEE).sum(**pairs)
    norm_X = np.sqrt((sine_XEE**2).sum(**pairs) * (reference_XEE**2).sum(**pairs))
    undefined = np.full(product_X.shape, np.nan)
    if angle_XE.shape[-1] < 3:
        return undefined
    return np.divide(product_X, norm_X, out=undefined, where=norm_X > 0)


def correspondence_index(distance_XEE: np.ndarray, reference_E: np.ndarray) -> np.ndarray:
    """How well distances follow the circle: emotions that are near on it should be nearer.

    Of all comparisons of two pairs of emotions that the circle orders, the share that the
    distances order the same way minus the share they order the other way (Hubert and Arabie
    1987, Psychol. Bull. 102(1), equation 3). It needs neither a plane nor axes.

    Returns
    -------
    ndarray
        Shape X, in [-1, 1]; NaN where the circle orders nothing.
    """
    first, second = np.triu_indices(len(reference_E), 1)
    circle = np.abs(angle_difference(reference_E[first], reference_E[second]))
    expected = np.sign(circle[:, None] - circle)
    found = distance_XEE[..., first, second]
    agreement_X = (expected * np.sign(found[..., :, None] - found[..., None, :])).sum((-2, -1))
    compared = np.abs(expected).sum()
    return agreement_X / compared if compared else np.full(agreement_X.shape, np.nan)


def distinct_orders(emotions: int) -> int:
    """Number of circular orders of so many emotions, up to rotation and reflection.

    Examples
    --------
    >>> [distinct_orders(n) for n in (2, 3, 4, 5, 7)]
    [1, 1, 3, 12, 360]
    """
    return max(1, math.factorial(emotions - 1) // 2)


def order_violations(angle_E: Sequence[float], reference_E: Sequence[float]) -> int:
    """How far one circular order is from another.

    The least number of exchanges of neighbours on the circle that turn the order of the angles
    into that of the reference, under the best rotation and reflection. Emotions with the same
    reference angle may come in either order.

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
    """Exchanges that sort reference angles, read off a circle, into circular order."""
    # So few exchanges never use every pair of neighbouring places. The circle can therefore be
    # cut at a pair that is not used, and the answer is the smallest count of inversions over
    # all places at which both circles can be cut.
    angle_E = np.array(around)
    from_cut_CE = (angle_E - np.unique(angle_E)[:, None]) % 360
    both_CE = np.concatenate([from_cut_CE, from_cut_CE[:, ::-1]])
    first, second = np.triu_indices(len(angle_E), 1)
    return min(
        int((rolled_CE[:, first] > rolled_CE[:, second]).sum(axis=1).min())
        for rolled_CE in (np.roll(both_CE, shift, axis=1) for shift in range(len(angle_E)))
    )

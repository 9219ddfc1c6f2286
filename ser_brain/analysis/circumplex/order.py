"""Angles on Russell's circle, and tests of the emotions' order on it.

The plane is that of the first two components. Every part has a plane of its own: statistics
are computed in each and then averaged, and angles are first aligned with Russell's. All angles
are in degrees, anticlockwise from pleasure.

Axes: U utterances, E emotions, P permutations, X any leading axes.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import circstd

from ser_brain.analysis.circumplex.data import Draws, mean_over_parts, percentile_estimate
from ser_brain.analysis.circumplex.distances import Moments, shared_distances
from ser_brain.data.labels import ASSIGNED_ANGLE_DEG, RUSSELL_ANGLE_DEG, prototype
from ser_brain.evaluation.metrics import number

AXES = ("valence", "arousal")
ON_AXIS = 1e-9  # a coordinate this near to 0 is rounding error: the word is on the axis
STATISTICS = ("violations", "correlation", "correspondence")
LEAST = 3  # emotions; fewer angles always correlate perfectly
ENUMERATED = 7  # up to this many emotions, names are put in every order: 5,040
SAMPLED = 5_000  # orders drawn for more


def reference_angles(
    emotions: Sequence[str], neutral_as_calm: bool = False
) -> dict[str, float]:
    """Reference angle of every emotion that has one. Neutral, the centre, has none."""
    known = RUSSELL_ANGLE_DEG | ASSIGNED_ANGLE_DEG
    if neutral_as_calm:
        known |= {"neutral": RUSSELL_ANGLE_DEG["calm"]}
    return {emotion: known[emotion] for emotion in emotions if emotion in known}


def reference_source(emotion: str) -> str:
    """Where an emotion's place is from: ``Russell (1980)``, ``assigned`` or ``centre``."""
    if emotion == "neutral":
        return "centre"
    return "Russell (1980)" if emotion in RUSSELL_ANGLE_DEG else "assigned"


def reference_points(emotions: Sequence[str]) -> np.ndarray:
    """Valence and arousal of the emotions on Russell's unit circle, shape (E, 2)."""
    points = [prototype(emotion) for emotion in emotions]
    return np.array([[point[axis] for axis in AXES] for point in points])


def sides(emotions: Sequence[str], axis: str) -> tuple[list[str], list[str]]:
    """The emotions on the high and on the low side of an axis; neutral is on neither."""
    values = {emotion: prototype(emotion)[axis] for emotion in emotions}
    high = [emotion for emotion, value in values.items() if value > ON_AXIS]
    low = [emotion for emotion, value in values.items() if value < -ON_AXIS]
    return high, low


def polar(found: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Angle in [0, 360) and radius of centroids about their own mean, each of shape (X, E)."""
    means_XE2 = found.means_XEk[..., :2]
    centred_XE2 = means_XE2 - means_XE2.mean(axis=-2, keepdims=True)
    angle_XE = np.degrees(np.arctan2(centred_XE2[..., 1], centred_XE2[..., 0])) % 360
    return angle_XE, np.linalg.norm(centred_XE2, axis=-1)


def angle_difference(from_deg: np.ndarray, to_deg: np.ndarray) -> np.ndarray:
    """Signed angle from one direction to another, in [-180, 180)."""
    return (np.asarray(to_deg) - from_deg + 180) % 360 - 180


def circular_mean(angles_deg: Iterable[np.ndarray]) -> np.ndarray:
    """Circular mean, in [0, 360), of those angles that are defined."""
    radians = [np.radians(angle) for angle in angles_deg]
    sine, cosine = (mean_over_parts(f(r) for r in radians) for f in (np.sin, np.cos))
    return np.degrees(np.arctan2(sine, cosine)) % 360


def align(angle_XE: np.ndarray, reference_E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rotation, and reflection where that helps, that brings angles onto a reference.

    ``sign_X * angle + shift_X`` has the largest mean cosine to the reference. The sign is -1
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
    defined = (norm_X > 0) & (angle_XE.shape[-1] >= LEAST)
    return np.divide(product_X, norm_X, out=np.full(product_X.shape, np.nan), where=defined)


def correspondence_index(distance_XEE: np.ndarray, reference_E: np.ndarray) -> np.ndarray:
    """How well distances follow the circle: emotions that are near on it should be nearer.

    Of all comparisons of two pairs of emotions that the circle orders, the share that the
    distances order the same way minus the share they order the other way (Hubert and Arabie
    1987, Psychol. Bull. 102(1), equation 3). It needs neither a plane nor axes. NaN where the
    circle orders nothing.
    """
    first, second = np.triu_indices(len(reference_E), 1)
    circle = np.abs(angle_difference(reference_E[first], reference_E[second]))
    expected = np.sign(circle[:, None] - circle)
    found = distance_XEE[..., first, second]
    agreement_X = (expected * np.sign(found[..., :, None] - found[..., None, :])).sum((-2, -1))
    compared = np.abs(expected).sum()
    return agreement_X / compared if compared else np.full(agreement_X.shape, np.nan)


def distinct_orders(emotions: int) -> int:
    """Number of circular orders of this many emotions, up to rotation and reflection."""
    return max(1, math.factorial(emotions - 1) // 2)


def order_violations(angle_E: Sequence[float], reference_E: Sequence[float]) -> int:
    """How far one circular order is from another.

    The number of exchanges of neighbours on the circle that turn the order of the angles into
    that of the reference, under the best rotation and reflection. Emotions with the same
    reference angle may come in either order. It is the least number for up to seven emotions;
    from eight, very different orders may need fewer, over the cut.

    Examples
    --------
    >>> order_violations([0, 90, 180, 270], [0, 180, 90, 270])
    1
    """
    return _exchanges(tuple(np.take(reference_E, np.argsort(angle_E)).tolist()))


@functools.lru_cache(maxsize=100_000)
def _exchanges(around: tuple[float, ...]) -> int:
    """Exchanges that sort reference angles, read off a circle, into circular order."""
    # Few exchanges do not use every pair of neighbouring places. The circle can then be cut at
    # a pair that is not used, and the answer is the smallest count of inversions over all
    # places at which both circles can be cut.
    angle_E = np.array(around)
    from_cut_CE = (angle_E - np.unique(angle_E)[:, None]) % 360
    both_CE = np.concatenate([from_cut_CE, from_cut_CE[:, ::-1]])
    first, second = np.triu_indices(len(angle_E), 1)
    return min(
        int((rolled_CE[:, first] > rolled_CE[:, second]).sum(axis=1).min())
        for rolled_CE in (np.roll(both_CE, shift, axis=1) for shift in range(len(angle_E)))
    )


@dataclass(frozen=True)
class Arrangement:
    """The emotions of one part in the plane, and the distances between them."""

    angle_XE: np.ndarray  # degrees
    distance_XEE: np.ndarray  # Mahalanobis, under the shared covariance, in all k components


def arrange(found: Moments) -> Arrangement:
    """Angles and distances of the emotions."""
    return Arrangement(polar(found)[0], shared_distances(found))


def centroids(
    emotions: Sequence[str],
    of_parts: Mapping[str, Moments],
    resampled: Mapping[str, Moments],
    draws: Draws,
) -> list[dict]:
    """Angle and radius of every emotion's centroid, with its angle on Russell's circle.

    ``angle`` is the circular mean over the parts, after each was rotated and reflected onto
    the reference (None with fewer than three references), ``spread_deg`` the circular standard
    deviation over them, ``radius`` the mean; ``parts`` has the angle as found in every part.
    """
    known = reference_angles(emotions)
    found = {part: polar(m) for part, m in of_parts.items()}
    rows = [
        {
            "emotion": emotion,
            "reference_deg": known.get(emotion),
            "source": reference_source(emotion),
            "angle": {"value": None, "low": None, "high": None},
            "spread_deg": None,
            "radius": float(np.mean([radius_E[n] for _, radius_E in found.values()])),
            "parts": {part: float(angle_E[n]) for part, (angle_E, _) in found.items()},
        }
        for n, emotion in enumerate(emotions)
    ]
    if len(known) < LEAST:
        return rows
    aligned = np.stack([_aligned(angle_E, emotions) for angle_E, _ in found.values()])
    drawn = [_aligned(polar(m)[0], emotions) for m in resampled.values()]
    mean_E = circular_mean(aligned)
    # Drawn angles as differences from the mean, so that no interval is cut at 0 degrees.
    drawn_BE = mean_E + angle_difference(mean_E, circular_mean(drawn))
    for n, row in enumerate(rows):
        angle = percentile_estimate(mean_E[n], drawn_BE[:, n], draws)
        if angle["low"] is not None and angle["high"] - angle["low"] >= 360:
            angle |= {"low": None, "high": None}  # the whole circle is no interval
        row["angle"] = angle
        if len(aligned) > 1:
            row["spread_deg"] = float(circstd(aligned[:, n], high=360))
    return rows


def _aligned(angle_XE: np.ndarray, emotions: Sequence[str]) -> np.ndarray:
    known = reference_angles(emotions)
    tested = [n for n, emotion in enumerate(emotions) if emotion in known]
    sign_X, shift_X = align(angle_XE[..., tested], np.array(list(known.values())))
    return (sign_X[..., None] * angle_XE + shift_X[..., None]) % 360


def order_test(
    emotions: Sequence[str],
    of_parts: Mapping[str, Arrangement],
    permuted: Mapping[str, Arrangement],
    neutral_as_calm: bool,
    rng: np.random.Generator,
) -> dict | None:
    """Test the arrangement of the emotions that have a reference angle.

    ``of_parts`` maps parts to arrangements, ``permuted`` to those under permuted labels, which
    are the same in every part. ``neutral_as_calm`` includes neutral, at the place of calm.

    Returns
    -------
    dict or None
        ``placed``: the emotions tested; ``distinct_orders``; for each of the ``STATISTICS``
        the mean over the parts, each part's, the mean under permuted labels and under permuted
        names, and both p-values. ``violations`` is None for three emotions, which have one
        order. None with fewer than three, or where there is no neutral to include.
    """
    known = reference_angles(emotions, neutral_as_calm)
    if len(known) < LEAST or (neutral_as_calm and "neutral" not in known):
        return None
    tested = np.array([n for n, emotion in enumerate(emotions) if emotion in known])
    angle_E = np.array(list(known.values()))
    found = {part: _statistics(one, tested, angle_E) for part, one in of_parts.items()}
    under_labels = [_statistics(one, tested, angle_E) for one in permuted.values()]
    # Another order of names is the same centroids in another order.
    names_PE = tested[name_orders(len(tested), rng)]
    under_names = [_statistics(one, names_PE, angle_E) for one in of_parts.values()]
    result = {"placed": list(known), "distinct_orders": distinct_orders(len(tested))}
    for name in STATISTICS:
        value, labels_P, names_P = (
            mean_over_parts(one[name] for one in each)
            for each in (found.values(), under_labels, under_names)
        )
        sign = -1 if name == "violations" else 1
        result[name] = {
            "value": number(value),
            "parts": {part: number(one[name]) for part, one in found.items()},
            "chance_labels": number(labels_P.mean()),
            "chance_names": number(names_P.mean()),
            "p_labels": permutation_p(sign * value, sign * labels_P, exact=False),
            "p_names": permutation_p(sign * value, sign * names_P, exact=True),
        }
    if len(tested) == LEAST:
        result["violations"] = None
    return result


def _statistics(
    found: Arrangement, tested_XE: np.ndarray, reference_E: np.ndarray
) -> dict[str, np.ndarray]:
    angle_XE = found.angle_XE[..., tested_XE]
    distance_XEE = found.distance_XEE[..., tested_XE[..., :, None], tested_XE[..., None, :]]
    violations = [
        order_violations(angle_E, reference_E)
        for angle_E in angle_XE.reshape(-1, len(reference_E))
    ]
    return {
        "violations": np.reshape(violations, angle_XE.shape[:-1]).astype(np.float64),
        # The sign of a component is arbitrary, and so is that of the correlation.
        "correlation": np.abs(circular_correlation(angle_XE, reference_E)),
        "correspondence": correspondence_index(distance_XEE, reference_E),
    }


def permuted_labels(
    emotion_U: np.ndarray,
    speakers: Sequence[str | None],
    permutations: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Permute the labels of utterances within speakers, shape (P, U).

    Where every speaker has only one emotion, nothing could move within speakers; the labels of
    all utterances are then permuted. Utterances of unknown speakers count as one speaker's.
    """
    names = np.array([str(speaker) for speaker in speakers])
    groups = [np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())]
    if not any(len(set(emotion_U[group])) > 1 for group in groups):
        groups = [np.arange(len(emotion_U))]
    permuted_PU = np.tile(emotion_U, (permutations, 1))
    for group in groups:
        permuted_PU[:, group] = rng.permuted(permuted_PU[:, group], axis=1)
    return permuted_PU


def name_orders(emotions: int, rng: np.random.Generator) -> np.ndarray:
    """Orders of the names of emotions, shape (P, E): all, or a sample; the given one first."""
    if emotions <= ENUMERATED:
        return np.array(list(itertools.permutations(range(emotions))))
    drawn_PE = np.tile(np.arange(emotions), (SAMPLED, 1))
    drawn_PE[1:] = rng.permuted(drawn_PE[1:], axis=1)
    return drawn_PE


def permutation_p(observed: float, null_P: np.ndarray, exact: bool) -> float | None:
    """Share of permutations with at least the observed value; None where undefined.

    ``exact``: the permutations include the observed arrangement. Otherwise it is added to them
    (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9(1), 39).
    """
    known_P = null_P[np.isfinite(null_P)]
    if not np.isfinite(observed) or not len(known_P):
        return None
    reached = int((known_P >= observed - 1e-9).sum())  # equal but for rounding is equal
    added = 0 if exact else 1
    return (reached + added) / (len(known_P) + added)

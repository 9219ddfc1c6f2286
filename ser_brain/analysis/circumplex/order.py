"""Are the emotions in Russell's order? Angles of the centroids, and tests of their order.

The plane is that of the first two components. Every part has a plane of its own: statistics
are computed in each and then averaged, and angles are first aligned with Russell's.

Axes: U utterances, E emotions, P permutations, X any leading axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import circstd

from ser_brain.analysis.circumplex.angles import (
    align,
    angle_difference,
    circular_correlation,
    circular_mean,
    correspondence_index,
    distinct_orders,
    order_violations,
    polar,
    reference_angles,
    reference_source,
)
from ser_brain.analysis.circumplex.bootstrap import Draws, mean_over_parts, percentile_estimate
from ser_brain.analysis.circumplex.distances import Moments, shared_distances
from ser_brain.evaluation.metrics import number

STATISTICS = ("violations", "correlation", "correspondence")
LEAST = 3  # emotions; fewer angles always correlate perfectly
ENUMERATED = 7  # up to so many emotions, names are put in every order: 5,040
SAMPLED = 5_000  # orders drawn for more


@dataclass(frozen=True)
class Arrangement:
    """The emotions of one part in the plane, and the distances between them."""

    angle_XE: np.ndarray  # degrees
    distance_XEE: np.ndarray  # Mahalanobis, under the shared covariance, in all k components


def arrange(found: Moments) -> Arrangement:
    """Angles and distances of the emotions."""
    return Arrangement(polar(found.means_XEk[..., :2])[0], shared_distances(found))


def centroids(
    emotions: Sequence[str],
    of_parts: Mapping[str, Moments],
    resampled: Mapping[str, Moments],
    draws: Draws,
) -> list[dict]:
    """Angle and radius of every emotion's centroid, with its angle on Russell's circle.

    Returns
    -------
    list of dict
        Per emotion: ``emotion``, ``reference_deg`` and ``source``; ``angle``, the circular
        mean over the parts with an interval, after each part was rotated and reflected onto
        the reference (None with fewer than three references); ``spread_deg``, the circular
        standard deviation over the parts; ``radius``, mean over the parts; ``parts``, the
        angle as found in every part.
    """
    known = reference_angles(emotions)
    found = {part: polar(m.means_XEk[..., :2]) for part, m in of_parts.items()}
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
    drawn = [_aligned(polar(m.means_XEk[..., :2])[0], emotions) for m in resampled.values()]
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

    Parameters
    ----------
    emotions : sequence of str
    of_parts : mapping
        Part -> arrangement.
    permuted : mapping
        Part -> arrangements under permuted labels, the same labels in every part.
    neutral_as_calm : bool
        Include neutral, at the place of calm.
    rng : numpy.random.Generator

    Returns
    -------
    dict or None
        ``placed``: the emotions tested; ``distinct_orders``; for each of ``violations``,
        ``correlation`` and ``correspondence`` the mean over the parts, each part's, the mean
        under permuted labels and under permuted names, and both p-values. ``violations`` is
        None for three emotions, which have one order. None with fewer than three, or where
        there is no neutral to include.
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
    """Statistics of the tested emotions, in the order given."""
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

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> found = permuted_labels(np.array([0, 1, 2, 2]), ["a", "a", "b", "b"], 9, rng)
    >>> sorted(set(map(tuple, found.tolist())))
    [(0, 1, 2, 2), (1, 0, 2, 2)]
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

    Parameters
    ----------
    exact : bool
        The permutations include the observed arrangement. Otherwise it is added to them
        (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9(1), 39).

    Examples
    --------
    >>> permutation_p(2.0, np.array([0.0, 1.0, 2.0]), exact=False)
    0.5
    """
    known_P = null_P[np.isfinite(null_P)]
    if not np.isfinite(observed) or not len(known_P):
        return None
    reached = int((known_P >= observed - 1e-9).sum())  # equal but for rounding is equal
    added = 0 if exact else 1
    return (reached + added) / (len(known_P) + added)

"""Are the emotions in Russell's order? Angles of the centroids, and tests of their order.

The plane is that of the first two components. Every part has its own plane; statistics are
taken in each and then averaged, and angles are first brought onto Russell's.

Axes: E emotions, X = (B) resamples or (P) permutations.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import circstd

from ser_brain.analysis.circumplex import angles as reference
from ser_brain.analysis.circumplex.angles import (
    alignment,
    circular_correlation,
    correspondence,
    distinct_orders,
    mean_angle,
    order_violations,
    polar,
    turn,
)
from ser_brain.analysis.circumplex.bootstrap import Draws, estimate, mean_over_parts
from ser_brain.analysis.circumplex.distances import Moments, shared_distances
from ser_brain.evaluation.metrics import number

ALL_UP_TO = 7  # emotions whose names are put in every order: 5,040
SAMPLED = 5_000  # orders drawn where there are more


def permuted_labels(
    emotion_U: np.ndarray,
    speakers: Sequence[str | None],
    permutations: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Permute the labels of utterances within speakers.

    Where every speaker has one emotion only, or speakers are unknown, nothing could move; the
    labels of all utterances are then permuted.

    Returns
    -------
    ndarray
        Shape (P, U).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> found = permuted_labels(np.array([0, 1, 2, 2]), ["a", "a", "b", "b"], 9, rng)
    >>> sorted(set(map(tuple, found.tolist())))
    [(0, 1, 2, 2), (1, 0, 2, 2)]
    """
    names = [str(speaker) for speaker in speakers]
    groups = [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]
    if not any(len(set(emotion_U[group])) > 1 for group in groups):
        groups = [np.arange(len(emotion_U))]
    permuted_PU = np.tile(emotion_U, (permutations, 1))
    for group in groups:
        permuted_PU[:, group] = rng.permuted(permuted_PU[:, group], axis=1)
    return permuted_PU


def name_orders(emotions: int, rng: np.random.Generator) -> np.ndarray:
    """Orders to put the names of emotions in: every one, or many drawn; the given one first.

    Returns
    -------
    ndarray
        Shape (P, E).
    """
    if emotions <= ALL_UP_TO:
        return np.array(list(itertools.permutations(range(emotions))))
    drawn_PE = np.tile(np.arange(emotions), (SAMPLED, 1))
    drawn_PE[1:] = rng.permuted(drawn_PE[1:], axis=1)
    return drawn_PE


def p_value(observed: float, null_P: np.ndarray, exact: bool) -> float | None:
    """Share of permutations that are at least as large as what was observed.

    Parameters
    ----------
    exact : bool
        The permutations hold the observed one. Otherwise it is added to them (Phipson and
        Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9(1), 39).

    Examples
    --------
    >>> p_value(2.0, np.array([0.0, 1.0, 2.0]), exact=False)
    0.5
    """
    known_P = null_P[np.isfinite(null_P)]
    if not np.isfinite(observed) or not len(known_P):
        return None
    # Equal but for rounding counts as equal.
    reached = int((known_P >= observed - 1e-9).sum())
    added = 0 if exact else 1
    return (reached + added) / (len(known_P) + added)


LEAST = 3  # fewer angles always correlate fully
STATISTICS = ("violations", "correlation", "correspondence")


def centroids(
    emotions: Sequence[str],
    of_part: Mapping[str, Moments],
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
    known = reference.angles_deg(emotions)
    angles = {part: polar(m.means_XEk[..., :2]) for part, m in of_part.items()}
    found = [
        {
            "emotion": emotion,
            "reference_deg": known.get(emotion),
            "source": reference.source_of(emotion),
            "angle": {"value": None, "low": None, "high": None},
            "spread_deg": None,
            "radius": float(np.mean([radius_E[n] for _, radius_E in angles.values()])),
            "parts": {part: float(angle_E[n]) for part, (angle_E, _) in angles.items()},
        }
        for n, emotion in enumerate(emotions)
    ]
    if len(known) < LEAST:
        return found
    aligned = np.stack([_aligned(angle_E, emotions) for angle_E, _ in angles.values()])
    mean_E = mean_angle(aligned)
    away_BE = turn(
        mean_E,
        mean_angle(
            _aligned(polar(m.means_XEk[..., :2])[0], emotions) for m in resampled.values()
        ),
    )
    for n, centroid in enumerate(found):
        centroid["angle"] = _unless_all_round(
            estimate(mean_E[n], mean_E[n] + away_BE[:, n], draws)
        )
        if len(aligned) > 1:
            centroid["spread_deg"] = float(circstd(aligned[:, n], high=360))
    return found


def _unless_all_round(angle: dict[str, float | None]) -> dict[str, float | None]:
    """An angle without its interval where that is the whole circle."""
    if angle["low"] is not None and angle["high"] - angle["low"] >= 360:
        return {**angle, "low": None, "high": None}
    return angle


def _aligned(angle_XE: np.ndarray, emotions: Sequence[str]) -> np.ndarray:
    known = reference.angles_deg(emotions)
    placed = [n for n, emotion in enumerate(emotions) if emotion in known]
    sign_X, shift_X = alignment(angle_XE[..., placed], np.array(list(known.values())))
    return (sign_X[..., None] * angle_XE + shift_X[..., None]) % 360


@dataclass(frozen=True)
class Arrangement:
    """The emotions of one part in the plane, and the distances between them.

    Attributes
    ----------
    angle_XE : ndarray
        Degrees.
    apart_XEE : ndarray
        Mahalanobis distances under the shared covariance, in all k components.
    """

    angle_XE: np.ndarray
    apart_XEE: np.ndarray


def arrange(found: Moments) -> Arrangement:
    """Angles and distances of the emotions."""
    return Arrangement(polar(found.means_XEk[..., :2])[0], shared_distances(found))


def order_test(
    emotions: Sequence[str],
    of_part: Mapping[str, Arrangement],
    permuted: Mapping[str, Arrangement],
    neutral_as_calm: bool,
    rng: np.random.Generator,
) -> dict | None:
    """Test the arrangement of the emotions that have a reference angle.

    Parameters
    ----------
    emotions : sequence of str
    of_part : mapping
        Part -> arrangement.
    permuted : mapping
        Part -> arrangements under permuted labels, the same labels in every part.
    neutral_as_calm : bool
        Let neutral take part, at calm's place.
    rng : numpy.random.Generator

    Returns
    -------
    dict or None
        ``placed``: the emotions; ``distinct_orders``; for ``violations``, ``correlation`` and
        ``correspondence`` the mean over the parts, each part's, the mean under permuted
        labels and under permuted names, and both p-values. ``violations`` is None for three
        emotions, which have one order. None with fewer, or where neutral takes no part anyway.
    """
    known = reference.angles_deg(emotions, neutral_as_calm)
    if len(known) < LEAST or (neutral_as_calm and reference.NEUTRAL not in known):
        return None
    placed = np.array([n for n, emotion in enumerate(emotions) if emotion in known])
    angle_E = np.array(list(known.values()))
    found = {part: _statistics(one, placed, angle_E) for part, one in of_part.items()}
    under_labels = [_statistics(one, placed, angle_E) for one in permuted.values()]
    # Names in another order are centroids in another order.
    names_PE = placed[name_orders(len(placed), rng)]
    under_names = [_statistics(one, names_PE, angle_E) for one in of_part.values()]
    result = {"placed": list(known), "distinct_orders": distinct_orders(len(placed))}
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
            "p_labels": p_value(sign * value, sign * labels_P, exact=False),
            "p_names": p_value(sign * value, sign * names_P, exact=True),
        }
    if len(placed) == LEAST:
        result["violations"] = None
    return result


def _statistics(
    found: Arrangement, placed_XE: np.ndarray, reference_E: np.ndarray
) -> dict[str, np.ndarray]:
    """Statistics of the placed emotions, in the order given."""
    angle_XE = found.angle_XE[..., placed_XE]
    apart_XEE = found.apart_XEE[..., placed_XE[..., :, None], placed_XE[..., None, :]]
    violations = [
        order_violations(angle_E, reference_E)
        for angle_E in angle_XE.reshape(-1, len(reference_E))
    ]
    return {
        "violations": np.reshape(violations, angle_XE.shape[:-1]).astype(np.float64),
        # A component's sign means nothing, so neither does that of the correlation.
        "correlation": np.abs(circular_correlation(angle_XE, reference_E)),
        "correspondence": correspondence(apart_XEE, reference_E),
    }

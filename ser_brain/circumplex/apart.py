"""How far the emotions of a set lie apart, pair by pair, with intervals.

Axes: E emotions, k components, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ser_brain.circumplex.gaussians import (
    Moments,
    distances,
    moments,
    moments_by,
    require_spread,
)
from ser_brain.circumplex.mapping import SetMap
from ser_brain.circumplex.resampling import Draws, mean_over_parts, mirrored

KINDS = ("shared", "own", "bhattacharyya")


def of_parts(found: SetMap) -> dict[str, Moments]:
    """Moments of every part.

    Raises
    ------
    SERError
        If an emotion has no Gaussian in some part.
    """
    moments_of = {}
    for part, cloud in found.judged.clouds.items():
        moments_of[part] = moments(found.reduced(part), cloud.emotion_N, len(found.emotions))
        require_spread(moments_of[part], found.emotions, f"{found.judged.name}, {part}")
    return moments_of


def of_resamples(found: SetMap, draws: Draws) -> dict[str, Moments]:
    """Moments of every part, X the resample."""
    count = draws.clusters.count
    return {
        part: moments_by(
            found.reduced(part), cloud.emotion_N, len(found.emotions), draws.of(cloud), count
        ).weighed(draws.counts_BS)
        for part, cloud in found.judged.clouds.items()
    }


def pairwise(
    emotions: list[str],
    of_part: Mapping[str, Moments],
    resampled: Mapping[str, Moments],
    draws: Draws,
) -> tuple[dict, dict[str, np.ndarray], np.ndarray]:
    """Distances between all emotions, as means over the parts.

    Returns
    -------
    results : dict
        ``pairs``, the farthest first: ``between``, and for each kind of distance its estimate;
        ``mean``: the mean shared distance over the pairs.
    per_part : dict
        Part -> its mean shared distance.
    draws_B : ndarray
        The mean on every resample.
    """
    first, second = np.triu_indices(len(emotions), 1)
    of_parts_found = {part: distances(m) for part, m in of_part.items()}
    values = {
        kind: mean_over_parts(d[kind] for d in of_parts_found.values())[first, second]
        for kind in KINDS
    }
    drawn = [distances(m) for m in resampled.values()]
    drawn_of = {
        kind: mean_over_parts(d[kind] for d in drawn)[:, first, second] for kind in KINDS
    }
    pairs = [
        {
            "between": [emotions[i], emotions[j]],
            **{kind: _distance(values[kind][n], drawn_of[kind][:, n], draws) for kind in KINDS},
        }
        for n, (i, j) in enumerate(zip(first, second, strict=True))
    ]
    pairs.sort(key=lambda pair: -pair["shared"]["value"])
    mean_B = drawn_of["shared"].mean(axis=1)
    per_part = {
        part: float(d["shared"][first, second].mean()) for part, d in of_parts_found.items()
    }
    return (
        {"pairs": pairs, "mean": _distance(values["shared"].mean(), mean_B, draws)},
        per_part,
        mean_B,
    )


def _distance(value: float, draws_B: np.ndarray, draws: Draws) -> dict[str, float | None]:
    found = mirrored(value, draws_B, draws)
    return found if found["low"] is None else {**found, "low": max(found["low"], 0.0)}

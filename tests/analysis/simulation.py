"""How often the tests and intervals of the circumplex analysis are right, on planted data.

    python -m tests.analysis.simulation 1000

repeats each experiment so often and prints the tables of docs/circumplex.md.
"""

from __future__ import annotations

import sys

import numpy as np

from ser_brain.analysis.circumplex.data import (
    basic_estimate,
    draw,
    mean_over_parts,
    percentile_estimate,
)
from ser_brain.analysis.circumplex.distances import (
    distances,
    moments,
    moments_by_speaker,
    moments_of_labels,
)
from ser_brain.analysis.circumplex.order import STATISTICS, arrange, order_test, permuted_labels
from ser_brain.analysis.circumplex.separability import sign_flip_test
from tests.analysis.planted import FIVE, FOUR, SEVEN, circle, cloud, points

PERMUTATIONS = 199
RESAMPLES = 300


def order_p_values(
    means_E2: np.ndarray, emotions: list[str], seed: int, parts: int = 1
) -> dict[str, float]:
    """Both p-values of every statistic, for planted centroids; 10 speakers, 4 clips each."""
    rng = np.random.default_rng(seed)
    found, permuted = {}, {}
    for part in range(parts):
        points_ND, emotion_N, speakers = points(
            means_E2, 4, 10, size=2, voices=0.5, seed=1000 * seed + part
        )
        labels_PN = permuted_labels(emotion_N, speakers, PERMUTATIONS, rng)
        found[part] = arrange(moments(points_ND, emotion_N, len(emotions)))
        permuted[part] = arrange(moments_of_labels(points_ND, labels_PN, len(emotions)))
    tested = order_test(emotions, found, permuted, "neutral" in emotions, rng)
    return {f"{s} {p}": tested[s][f"p_{p}"] for s in STATISTICS for p in ("labels", "names")}


def rejection_rates(
    repeats: int, emotions: list[str], radius: float, shuffled: bool = False, parts: int = 1
) -> dict[str, float]:
    """Share of repeats in which each p-value is 5 % or less.

    The emotions are planted on Russell's circle (of radius 0: there is no emotion in the
    space), or on its places in random order.
    """
    p_values = []
    for n in range(repeats):
        means_E2 = circle(emotions, radius)
        if shuffled:
            means_E2 = means_E2[np.random.default_rng(10_000 + n).permutation(len(emotions))]
        p_values.append(order_p_values(means_E2, emotions, n, parts))
    return {name: float(np.mean([p[name] <= 0.05 for p in p_values])) for name in p_values[0]}


def coverage(repeats: int, folds: int, speakers: int = 10) -> dict[str, float]:
    """Share of repeats in which the interval of a distance holds the true one.

    Four emotions, 8 clips of each by each speaker; speakers differ by 0.5 standard deviations.
    """
    means_E2 = circle(FOUR, 2.0)
    true = np.linalg.norm(means_E2[0] - means_E2[1]) / np.sqrt(1 + 0.5**2)
    held = {"percentile": [], "mirrored": []}
    for seed in range(repeats):
        points_ND, emotion_N, names = points(
            means_E2, 8, speakers, size=3, voices=0.5, seed=seed
        )
        fold_N = np.array([int(name[1:]) % folds for name in names])
        parts = []
        for f in range(folds):
            rows = np.flatnonzero(fold_N == f)
            of_fold = points_ND[rows], emotion_N[rows], [names[n] for n in rows]
            parts.append(cloud(*of_fold, prefix=f"{f}-"))
        draws = draw(parts, RESAMPLES, np.random.default_rng(seed))
        count = draws.clusters.count
        by_speaker = [
            moments_by_speaker(
                part.points_ND, part.emotion_N, 4, draws.clusters_of(part), count
            )
            for part in parts
        ]
        value, drawn = (
            mean_over_parts(
                distances(m.resampled(counts))["shared"][:, 0, 1] for m in by_speaker
            )
            for counts in (np.ones((1, count)), draws.counts_BS)
        )
        for name, estimate in zip(held, (percentile_estimate, basic_estimate), strict=True):
            found = estimate(value[0], drawn, draws)
            held[name].append(found["low"] <= true <= found["high"])
    return {name: float(np.mean(of)) for name, of in held.items()}


def sign_flip_rate(repeats: int, difference: float, speakers: int = 10) -> float:
    """How often the sign-flip test of speakers' differences gives 5 % or less."""
    rng = np.random.default_rng(0)
    draws = rng.normal(difference, 0.1, size=(repeats, speakers))
    return float(np.mean([sign_flip_test(one, rng) <= 0.05 for one in draws]))


def main(repeats: int) -> None:
    """Print every table."""
    print(f"{repeats} repeats; rates of p <= .05\n")
    cases = [("no emotion in the space", of, 0.0, False, 1) for of in (FOUR, FIVE, SEVEN)]
    cases += [("no emotion in the space, 5 folds", FIVE, 0.0, False, 5)]
    cases += [("clusters in random order", of, 2.0, True, 1) for of in (FIVE, SEVEN)]
    cases += [("clusters in random order, 5 folds", FIVE, 2.0, True, 5)]
    cases += [
        (f"Russell's circle, radius {radius}", emotions, radius, False, 1)
        for emotions in (FIVE, SEVEN)
        for radius in (0.25, 0.5, 1.0)
    ]
    for title, emotions, *options in cases:
        rates = rejection_rates(repeats, emotions, *options)
        print(f"{title}, {len(emotions)} emotions")
        print("  " + ", ".join(f"{name} {rate:.3f}" for name, rate in rates.items()))
    print("\ncoverage of 95 % intervals of a Mahalanobis distance")
    for folds, speakers in ((1, 10), (5, 10), (1, 30)):
        rates = coverage(repeats, folds, speakers)
        found = ", ".join(f"{name} {rate:.3f}" for name, rate in rates.items())
        print(f"  {speakers} speakers, {folds} folds: {found}")
    print("\nsign-flip test, 10 speakers")
    for difference in (0.0, 0.05, 0.1):
        rate = sign_flip_rate(3000, difference)
        print(f"  true difference {difference} (sd 0.1): {rate:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)

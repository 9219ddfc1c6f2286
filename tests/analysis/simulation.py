"""How often the tests and intervals of the circumplex analysis are right, on planted data.

    python -m tests.analysis.simulation 1000

repeats each experiment so often and prints the tables of docs/circumplex.md.
"""

from __future__ import annotations

import sys

import numpy as np

from ser_brain.analysis.circumplex import order
from ser_brain.analysis.circumplex.bootstrap import draw, estimate, mean_over_parts, mirrored
from ser_brain.analysis.circumplex.distances import (
    distances,
    moments,
    moments_by,
    moments_of_labels,
)
from ser_brain.analysis.circumplex.order import permuted_labels
from ser_brain.analysis.circumplex.separability import sign_flip
from tests.analysis.planted import circle, cloud, points

PERMUTATIONS = 199
RESAMPLES = 300
FIVE = ["anger", "happiness", "sadness", "boredom", "calm"]
SEVEN = ["anger", "happiness", "excitement", "fear", "sadness", "boredom", "calm"]
STATISTICS = order.STATISTICS


def order_p_values(
    means_E2: np.ndarray, emotions: list[str], seed: int, parts: int = 1, noise: float = 1.0
) -> dict[str, float]:
    """Both p-values of every statistic, for planted centroids; 10 speakers, 4 clips each."""
    rng = np.random.default_rng(seed)
    found, permuted = {}, {}
    for part in range(parts):
        points_ND, emotion_N, speakers = points(
            means_E2, 4, 10, size=2, noise=noise, voices=0.5, seed=1000 * seed + part
        )
        labels_PN = permuted_labels(emotion_N, speakers, PERMUTATIONS, rng)
        found[part] = order.arrange(moments(points_ND, emotion_N, len(emotions)))
        permuted[part] = order.arrange(moments_of_labels(points_ND, labels_PN, len(emotions)))
    tested = order.order_test(emotions, found, permuted, "neutral" in emotions, rng)
    return {
        f"{name} {p}": tested[name][f"p_{p}"]
        for name in STATISTICS
        for p in ("labels", "names")
    }


def rejection_rates(repeats: int, **options) -> dict[str, float]:
    """Share of repeats in which each p-value is 5 % or less.

    ``means`` is a function of a generator that gives the planted centroids.
    """
    means = options.pop("means")
    p_values = [
        order_p_values(means(np.random.default_rng(10_000 + n)), seed=n, **options)
        for n in range(repeats)
    ]
    return {name: float(np.mean([p[name] <= 0.05 for p in p_values])) for name in p_values[0]}


def nothing(emotions: list[str]):
    """Centroids of a space that holds no emotion."""
    return lambda rng: np.zeros((len(emotions), 2))


def shuffled(emotions: list[str], radius: float):
    """Emotions well apart, on Russell's places in a random order."""
    return lambda rng: circle(emotions, radius)[rng.permutation(len(emotions))]


def planted(emotions: list[str], radius: float):
    """Emotions in Russell's places."""
    return lambda rng: circle(emotions, radius)


def coverage(repeats: int, folds: int, speakers: int = 10) -> dict[str, float]:
    """Share of repeats in which the interval of a distance holds the true one.

    Four emotions, 8 clips of each by each speaker; speakers differ by 0.5 standard deviations.
    """
    means_E2 = circle(["anger", "happiness", "sadness", "neutral"], 2.0)
    true = np.linalg.norm(means_E2[0] - means_E2[1]) / np.sqrt(1 + 0.5**2)
    held = {"percentile": [], "mirrored": []}
    for seed in range(repeats):
        points_ND, emotion_N, names = points(
            means_E2, 8, speakers, size=3, voices=0.5, seed=seed
        )
        fold_N = np.array([int(name[1:]) % folds for name in names])
        parts = [
            cloud(
                points_ND[fold_N == f],
                emotion_N[fold_N == f],
                np.array(names)[fold_N == f].tolist(),
                prefix=f"{f}-",
            )
            for f in range(folds)
        ]
        draws = draw(parts, RESAMPLES, np.random.default_rng(seed))
        count = draws.clusters.count
        by_speaker = [
            moments_by(part.points_ND, part.emotion_N, 4, draws.of(part), count)
            for part in parts
        ]
        value, drawn = (
            mean_over_parts(distances(m.weighed(counts))["shared"][:, 0, 1] for m in by_speaker)
            for counts in (np.ones((1, count)), draws.counts_BS)
        )
        for name, interval in (("percentile", estimate), ("mirrored", mirrored)):
            found = interval(value[0], drawn, draws)
            held[name].append(found["low"] <= true <= found["high"])
    return {name: float(np.mean(of)) for name, of in held.items()}


def sign_flip_rate(repeats: int, difference: float, speakers: int = 10) -> float:
    """How often the sign-flip test of speakers' differences gives 5 % or less."""
    rng = np.random.default_rng(0)
    draws = rng.normal(difference, 0.1, size=(repeats, speakers))
    return float(np.mean([sign_flip(one, rng) <= 0.05 for one in draws]))


def main(repeats: int) -> None:
    """Print every table."""
    four = ["anger", "happiness", "sadness", "neutral"]
    print(f"{repeats} repeats; rates of p <= .05\n")
    for title, emotions, parts, means in (
        ("no emotion in the space, 4 emotions", four, 1, nothing(four)),
        ("no emotion in the space, 5 emotions", FIVE, 1, nothing(FIVE)),
        ("no emotion in the space, 7 emotions", SEVEN, 1, nothing(SEVEN)),
        ("no emotion in the space, 5 emotions, 5 folds", FIVE, 5, nothing(FIVE)),
        ("clusters in random order, 5 emotions", FIVE, 1, shuffled(FIVE, 2.0)),
        ("clusters in random order, 7 emotions", SEVEN, 1, shuffled(SEVEN, 2.0)),
        ("clusters in random order, 5 emotions, 5 folds", FIVE, 5, shuffled(FIVE, 2.0)),
        ("Russell's circle, radius 0.25, 5 emotions", FIVE, 1, planted(FIVE, 0.25)),
        ("Russell's circle, radius 0.5, 5 emotions", FIVE, 1, planted(FIVE, 0.5)),
        ("Russell's circle, radius 1, 5 emotions", FIVE, 1, planted(FIVE, 1.0)),
        ("Russell's circle, radius 0.25, 7 emotions", SEVEN, 1, planted(SEVEN, 0.25)),
        ("Russell's circle, radius 0.5, 7 emotions", SEVEN, 1, planted(SEVEN, 0.5)),
        ("Russell's circle, radius 1, 7 emotions", SEVEN, 1, planted(SEVEN, 1.0)),
    ):
        rates = rejection_rates(repeats, emotions=emotions, parts=parts, means=means)
        print(title)
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

"""The whole analysis of a model's space, as one JSON-able result per test set.

Axes: N utterances, E emotions, U utterances of all parts, B resamples, P permutations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import pearsonr

from ser_brain.analysis.circumplex.bootstrap import Draws, draw, mean_over_parts
from ser_brain.analysis.circumplex.components import ReducedSet, components_for, reduce_sets
from ser_brain.analysis.circumplex.data import EmbeddingSet
from ser_brain.analysis.circumplex.distances import (
    moments_of_labels,
    moments_of_parts,
    pairwise_distances,
    resampled_moments,
)
from ser_brain.analysis.circumplex.order import (
    Arrangement,
    arrange,
    centroids,
    order_test,
    permuted_labels,
)
from ser_brain.analysis.circumplex.procrustes import place_points, placement_error
from ser_brain.analysis.circumplex.separability import separability
from ser_brain.evaluation.metrics import number

RESAMPLES = 1000
PERMUTATIONS = 1000
SEED = 1


@dataclass(frozen=True)
class Analysis:
    """The analysis of one model on one test set."""

    reduced: ReducedSet
    results: dict  # JSON types
    placed: dict[str, np.ndarray]  # part -> placed points (N, 2)
    draws: Draws  # the same for every model of a set
    drawn: dict[str, np.ndarray]  # headline -> its value on every resample


def analyse(
    sets: Mapping[str, EmbeddingSet],
    space: str,
    components: int,
    resamples: int,
    permutations: int,
) -> dict[str, Analysis]:
    """Analyse a model on every test set.

    Parameters
    ----------
    sets : mapping
        See :func:`ser_brain.analysis.circumplex.data.read_sets`.
    space : {"embedding", "va"}
    components : int
        k, the dimensions in which Gaussians are fitted and from which points are placed.
    resamples, permutations : int
    """
    return {
        name: _analyse_set(reduced, space, resamples, permutations)
        for name, reduced in reduce_sets(sets, space, components).items()
    }


def _analyse_set(
    reduced: ReducedSet, space: str, resamples: int, permutations: int
) -> Analysis:
    # One seed for every model, so that compared models are drawn alike. The order of the calls
    # that use the generator is part of the results: do not change it.
    rng = np.random.default_rng(SEED)
    draws = draw(reduced.test.clouds.values(), resamples, rng)
    permuted = _permuted(reduced, permutations, rng)
    of_parts, resampled = moments_of_parts(reduced), resampled_moments(reduced, draws)
    distances, mean_B = pairwise_distances(reduced.emotions, of_parts, resampled, draws)
    placed = place_points(reduced, space)
    axes, drawn = separability(reduced, placed, draws, rng)
    arranged = {part: arrange(moments) for part, moments in of_parts.items()}
    order = {
        name: order_test(reduced.emotions, arranged, permuted, as_calm, rng)
        for name, as_calm in (("words", False), ("neutral_as_calm", True))
    }
    results = {
        **_facts(reduced, draws),
        "variance": _variance(reduced),
        "distances": {**distances, "chance": _chance_distance(permuted)},
        "centroids": centroids(reduced.emotions, of_parts, resampled, draws),
        "order": order,
        "placement": placement_error(reduced, placed, space, draws),
        "separability": axes,
    }
    return Analysis(reduced, results, placed, draws, {"distance": mean_B, **drawn})


def _permuted(
    reduced: ReducedSet, permutations: int, rng: np.random.Generator
) -> dict[str, Arrangement]:
    """Every part under permuted labels; an utterance has the same label in every part."""
    clouds = reduced.test.clouds
    known = {
        i: (emotion, speaker)
        for cloud in clouds.values()
        for i, emotion, speaker in zip(
            cloud.ids, cloud.emotion_N.tolist(), cloud.speakers, strict=True
        )
    }
    emotions, speakers = zip(*known.values(), strict=True)
    labels_PU = permuted_labels(np.array(emotions), speakers, permutations, rng)
    place = {i: n for n, i in enumerate(known)}
    arranged = {}
    for part, cloud in clouds.items():
        labels_PN = labels_PU[:, [place[i] for i in cloud.ids]]
        moments_P = moments_of_labels(reduced.points(part), labels_PN, len(reduced.emotions))
        arranged[part] = arrange(moments_P)
    return arranged


def _chance_distance(permuted: Mapping[str, Arrangement]) -> float | None:
    """Mean shared distance under permuted labels."""
    distance_PEE = mean_over_parts(one.distance_XEE for one in permuted.values())
    first, second = np.triu_indices(distance_PEE.shape[-1], 1)
    return number(distance_PEE[:, first, second].mean())


def _facts(reduced: ReducedSet, draws: Draws) -> dict:
    test = reduced.test
    emotion_N = np.concatenate([cloud.emotion_N for cloud in test.clouds.values()])
    counts = np.bincount(emotion_N, minlength=len(test.emotions))
    return {
        "test_set": test.name,
        "protocol": test.protocol,
        "synthetic": test.synthetic,
        "emotions": test.emotions,
        "points": dict(zip(test.emotions, counts.tolist(), strict=True)),
        "utterances": len(draws.number),
        "speakers": draws.clusters.count if draws.clusters.unit == "speaker" else None,
        "parts": list(test.clouds),
        "left_out": test.skipped,
        "fitted_on": reduced.fitted_on.name,
        "interval_note": draws.clusters.note,
    }


def _variance(reduced: ReducedSet) -> dict:
    """Explained variance of every part's fit, and how much of the test set it explains."""
    return {
        part: {
            "ratio": reduction.ratio_R.tolist(),
            "components_for": components_for(reduction.ratio_R),
            "components": len(reduction.components_kD),
            "share": float(reduction.ratio_R[: len(reduction.components_kD)].sum()),
            "share_of_judged": reduction.share(reduced.test.clouds[part].points_ND),
            "length_correlation": _length_correlation(reduced, part),
        }
        for part, reduction in reduced.reductions.items()
    }


def _length_correlation(reduced: ReducedSet, part: str) -> float | None:
    """|Pearson's r| of the first component and the durations; None where undefined."""
    duration_N = reduced.test.clouds[part].duration_N
    known_N = np.isfinite(duration_N)
    if known_N.sum() < 3 or not np.ptp(duration_N[known_N]):
        return None
    first_N = reduced.points(part)[known_N, 0]
    return number(abs(pearsonr(duration_N[known_N], first_N).statistic))

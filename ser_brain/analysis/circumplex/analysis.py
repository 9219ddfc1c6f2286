"""Everything that is asked of a model's space, as one JSON-able result.

Axes: B resamples, P permutations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import pearsonr

from ser_brain.analysis.circumplex import (
    distances as apart,
)
from ser_brain.analysis.circumplex import (
    order as arrangement,
)
from ser_brain.analysis.circumplex import (
    procrustes,
)
from ser_brain.analysis.circumplex import (
    separability as axes,
)
from ser_brain.analysis.circumplex.bootstrap import Draws, draw, mean_over_parts
from ser_brain.analysis.circumplex.components import SetMap, components_for, map_sets
from ser_brain.analysis.circumplex.data import EmbeddingSet
from ser_brain.analysis.circumplex.distances import moments_of_labels
from ser_brain.analysis.circumplex.order import Arrangement, permuted_labels
from ser_brain.evaluation.metrics import number

RESAMPLES = 1000
PERMUTATIONS = 1000
SEED = 1


@dataclass(frozen=True)
class Analysis:
    """What is found of one model on one set.

    Attributes
    ----------
    found : SetMap
    results : dict
        JSON types.
    placed : dict
        Part -> placed points (N, 2).
    draws : Draws
        Alike for every model of a set.
    drawn : dict
        Headline -> its value on every resample.
    """

    found: SetMap
    results: dict
    placed: dict[str, np.ndarray]
    draws: Draws
    drawn: dict[str, np.ndarray]


def analyse(
    sets: Mapping[str, EmbeddingSet],
    space: str,
    components: int,
    resamples: int,
    permutations: int,
) -> dict[str, Analysis]:
    """Analyse a model on every judged set.

    Parameters
    ----------
    sets : mapping
        See :func:`ser_brain.analysis.circumplex.data.read_sets`.
    space : {"embedding", "va"}
    components : int
        k, in which Gaussians are fitted and points are placed.
    resamples, permutations : int
    """
    maps = map_sets(sets, space, components)
    return {
        name: _analyse_set(found, space, resamples, permutations)
        for name, found in maps.items()
    }


def _analyse_set(found: SetMap, space: str, resamples: int, permutations: int) -> Analysis:
    # One seed for every model: what is compared is drawn alike.
    rng = np.random.default_rng(SEED)
    draws = draw(found.judged.clouds.values(), resamples, rng)
    permuted = _permuted(found, permutations, rng)
    of_part, resampled = apart.of_parts(found), apart.of_resamples(found, draws)
    distances, distance_of, mean_B = apart.pairwise(found.emotions, of_part, resampled, draws)
    arranged = {part: arrangement.arrange(m) for part, m in of_part.items()}
    placed = procrustes.as_placed(found, space)
    separability, drawn = axes.separability(found, placed, draws, rng)
    order = {
        name: arrangement.order_test(found.emotions, arranged, permuted, as_calm, rng)
        for name, as_calm in (("words", False), ("neutral_as_calm", True))
    }
    results = {
        **_facts(found, draws),
        "variance": _variance(found),
        "distances": {**distances, "chance": _chance(permuted), "parts": distance_of},
        "centroids": arrangement.centroids(found.emotions, of_part, resampled, draws),
        "order": order,
        "placement": procrustes.judge(found, placed, space, draws),
        "separability": separability,
    }
    return Analysis(found, results, placed, draws, {"distance": mean_B, **drawn})


def _permuted(
    found: SetMap, permutations: int, rng: np.random.Generator
) -> dict[str, Arrangement]:
    """Every part under permuted labels; an utterance has one label in every part."""
    clouds = found.judged.clouds
    facts = {
        i: (emotion, speaker)
        for cloud in clouds.values()
        for i, emotion, speaker in zip(
            cloud.ids, cloud.emotion_N.tolist(), cloud.speakers, strict=True
        )
    }
    emotions, speakers = zip(*facts.values(), strict=True)
    labels_PU = permuted_labels(np.array(emotions), speakers, permutations, rng)
    place = {i: n for n, i in enumerate(facts)}
    arranged = {}
    for part, cloud in clouds.items():
        labels_PN = labels_PU[:, [place[i] for i in cloud.ids]]
        found_P = moments_of_labels(found.reduced(part), labels_PN, len(found.emotions))
        arranged[part] = arrangement.arrange(found_P)
    return arranged


def _chance(permuted: Mapping[str, Arrangement]) -> float | None:
    """Mean shared distance under labels that mean nothing."""
    apart_PEE = mean_over_parts(one.apart_XEE for one in permuted.values())
    first, second = np.triu_indices(apart_PEE.shape[-1], 1)
    return number(apart_PEE[:, first, second].mean())


def _facts(found: SetMap, draws: Draws) -> dict:
    judged = found.judged
    counts = np.bincount(
        np.concatenate([cloud.emotion_N for cloud in judged.clouds.values()]),
        minlength=len(judged.emotions),
    )
    return {
        "test_set": judged.name,
        "protocol": judged.protocol,
        "synthetic": judged.synthetic,
        "emotions": judged.emotions,
        "points": dict(zip(judged.emotions, counts.tolist(), strict=True)),
        "utterances": len(draws.number),
        "speakers": draws.clusters.count if draws.clusters.unit == "speaker" else None,
        "parts": list(judged.clouds),
        "left_out": judged.left_out,
        "fitted_on": found.fitted_on.name,
        "interval_note": draws.clusters.note,
    }


def _with_length(found: SetMap, part: str) -> float | None:
    """Size of Pearson's r of the first component with the durations; None where undefined."""
    duration_N, first_N = found.judged.clouds[part].duration_N, found.reduced(part)[:, 0]
    known_N = np.isfinite(duration_N)
    if known_N.sum() < 3 or not np.ptp(duration_N[known_N]):
        return None
    return number(abs(pearsonr(duration_N[known_N], first_N[known_N]).statistic))


def _variance(found: SetMap) -> dict:
    """Explained variance of every part's fit, and what of the judged set it carries."""
    return {
        part: {
            "ratio": reduction.ratio_R.tolist(),
            "components_for": components_for(reduction.ratio_R),
            "components": len(reduction.components_kD),
            "share": float(reduction.ratio_R[: len(reduction.components_kD)].sum()),
            "share_of_judged": reduction.share(found.judged.clouds[part].points_ND),
            "length_correlation": _with_length(found, part),
        }
        for part, reduction in found.reductions.items()
    }

"""How well each axis separates the emotions on its two sides: AUC with its interval.

The AUC of a score is averaged over every pair of an emotion on the high side and one on the
low side, so that it does not depend on how many clips each emotion has.

Axes: N utterances, D dimensions, S clusters (speakers), B resamples, X any leading axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve
from scipy.stats import permutation_test
from sklearn.covariance import ledoit_wolf

from ser_brain.analysis.circumplex.data import Draws, mean_over_parts, percentile_estimate
from ser_brain.analysis.circumplex.distances import ReducedSet
from ser_brain.analysis.circumplex.order import AXES, sides
from ser_brain.analysis.circumplex.procrustes import train_test_rows
from ser_brain.evaluation.metrics import number

WAYS = {"map": "on the map", "best": "on the best axis"}
SIGN_FLIPS = 9_999  # all are tried where there are no more: up to 13 speakers
COMPARED_AT_ONCE = 10_000_000  # comparisons of utterances held in memory: 80 MB

Sides = tuple[list[str], list[str]]  # emotions on the high and on the low side


def separability(
    reduced: ReducedSet,
    placed: Mapping[str, np.ndarray],
    draws: Draws,
    rng: np.random.Generator,
) -> tuple[dict, dict[str, np.ndarray]]:
    """AUC of arousal and of valence, and their difference.

    Returns
    -------
    results : dict
        Way (``map``, ``best``) -> ``arousal`` and ``valence`` (each with its ``high`` and
        ``low`` emotions, ``auc``, and the AUC of every pair of emotions), ``difference``
        (arousal - valence) and ``within_speakers``: the mean difference of AUCs over each
        speaker's own utterances, with its sign-flip p-value. An axis without emotions on both
        sides is None.
    drawn : dict
        ``arousal map`` ... -> AUC on every resample.
    """
    results, drawn = {}, {}
    for way in WAYS:
        axes, within = {}, {}
        for a, axis in enumerate(AXES):
            of_axis = sides(reduced.emotions, axis)
            if not all(of_axis):
                axes[axis] = None
                continue
            if way == "map":
                scores = {part: placed[part][:, a] for part in reduced.test.clouds}
            else:
                scores = {p: _probe_scores(reduced, p, of_axis) for p in reduced.test.clouds}
            found = _axis_auc(reduced, scores, of_axis, draws)
            axes[axis], drawn[f"{axis} {way}"], within[axis] = found
        results[way] = {**axes, "difference": None, "within_speakers": None}
        if len(within) == 2:
            values = [axes[axis]["auc"]["value"] for axis in ("arousal", "valence")]
            if None not in values:
                difference_B = drawn[f"arousal {way}"] - drawn[f"valence {way}"]
                results[way]["difference"] = percentile_estimate(
                    values[0] - values[1], difference_B, draws
                )
            difference_S = within["arousal"] - within["valence"]
            known = difference_S[np.isfinite(difference_S)]
            results[way]["within_speakers"] = {
                "difference": float(known.mean()) if len(known) else None,
                "speakers": len(known),
                "p": sign_flip_test(known, rng),
            }
    return results, drawn


def _axis_auc(
    reduced: ReducedSet, scores: Mapping[str, np.ndarray], of_axis: Sides, draws: Draws
) -> tuple[dict, np.ndarray, np.ndarray]:
    """Results of an axis, its AUC on every resample, and that within every speaker."""
    once_S, compared = np.ones(draws.clusters.count), {}
    for part, score_N in scores.items():
        cloud, known_N = reduced.test.clouds[part], np.isfinite(score_N)
        rows = {e: known_N & (cloud.emotion_N == n) for n, e in enumerate(reduced.emotions)}
        speakers = draws.clusters_of(cloud), draws.clusters.count
        compared[part] = {
            (high, low): compare(score_N, rows[high], rows[low], *speakers)
            for high, low in itertools.product(*of_axis)
        }
    pairs, values, resampled, within = [], [], [], []
    for high, low in next(iter(compared.values())):
        each = [of_part[high, low] for of_part in compared.values()]
        values.append(mean_over_parts(pair.auc(once_S) for pair in each))
        resampled.append(mean_over_parts(pair.auc(draws.counts_BS) for pair in each))
        within.append(mean_over_parts(pair.within_speakers() for pair in each))
        pairs.append({"high": high, "low": low, "auc": number(values[-1])})
    drawn_B = np.mean(resampled, axis=0)
    result = {
        "high": of_axis[0],
        "low": of_axis[1],
        "auc": percentile_estimate(float(np.mean(values)), drawn_B, draws),
        "pairs": pairs,
        "parts": {
            part: number(np.mean([pair.auc(once_S) for pair in of_part.values()]))
            for part, of_part in compared.items()
        },
    }
    return result, drawn_B, np.mean(within, axis=0)


@dataclass(frozen=True)
class Pair:
    """Comparisons of the utterances of two emotions, by their speakers."""

    # How often a high utterance of the row speaker scores above a low one of the column
    # speaker; a tie counts half.
    won_SS: np.ndarray
    high_S: np.ndarray  # number of utterances of the emotion on the high side
    low_S: np.ndarray  # and on the low side

    def auc(self, counts_XS: np.ndarray) -> np.ndarray:
        """AUC of speakers who count ``counts_XS`` times; NaN where a side has no utterance."""
        won_X = np.einsum("...s,st,...t->...", counts_XS, self.won_SS, counts_XS)
        compared_X = (counts_XS @ self.high_S) * (counts_XS @ self.low_S)
        undefined_X = np.full(won_X.shape, np.nan)
        return np.divide(won_X, compared_X, out=undefined_X, where=compared_X > 0)

    def within_speakers(self) -> np.ndarray:
        """AUC over each speaker's own utterances, shape (S,)."""
        return self.auc(np.eye(len(self.high_S)))


def compare(
    score_N: np.ndarray,
    high_N: np.ndarray,
    low_N: np.ndarray,
    speaker_N: np.ndarray,
    speakers: int,
) -> Pair:
    """Compare the scores of two emotions, whose utterances are given as masks."""
    low_scores = score_N[low_N]
    by_low = np.zeros((speakers, len(low_scores)))
    # In blocks: all comparisons of a large set at once would not fit into memory.
    blocks = 1 + int(high_N.sum()) * len(low_scores) // COMPARED_AT_ONCE
    for rows in np.array_split(np.flatnonzero(high_N), blocks):
        difference = score_N[rows][:, None] - low_scores
        np.add.at(by_low, speaker_N[rows], (difference > 0) + 0.5 * (difference == 0))
    won_SS = np.zeros((speakers, speakers))
    np.add.at(won_SS.T, speaker_N[low_N], by_low.T)
    counts = (np.bincount(speaker_N[side], minlength=speakers) for side in (high_N, low_N))
    return Pair(won_SS, *counts)


def probe_scores(
    points_ND: np.ndarray, high_N: np.ndarray, low_N: np.ndarray, new_MD: np.ndarray
) -> np.ndarray:
    """Positions of new points on the straight axis that separates high from low best.

    Fisher's linear discriminant under a covariance with the shrinkage of Ledoit and Wolf
    (2004, J. Multivar. Anal. 88(2)), so that few utterances in many dimensions are enough. The
    low side has its mean at 0 and the high side at 1: positions on axes that were fitted on
    different speakers are comparable.
    """
    high_ND, low_ND = points_ND[high_N], points_ND[low_N]
    high_D, low_D = high_ND.mean(axis=0), low_ND.mean(axis=0)
    centred_ND = np.concatenate([high_ND - high_D, low_ND - low_D])
    covariance_DD, _ = ledoit_wolf(centred_ND, assume_centered=True)
    weights_D = solve(covariance_DD, high_D - low_D, assume_a="pos")
    return (new_MD - low_D) @ (weights_D / (weights_D @ (high_D - low_D)))


def _probe_scores(reduced: ReducedSet, part: str, of_axis: Sides) -> np.ndarray:
    """Scores on the best axis of the whole space, fitted on other speakers; NaN without one."""
    test, to_fit = reduced.test.clouds[part], reduced.fitted_on.clouds[part]
    emotions_N = np.array(reduced.fitted_on.emotions)[to_fit.emotion_N]
    on_side = [np.isin(emotions_N, side) for side in of_axis]
    score_N = np.full(len(test.id_N), np.nan)
    for train_rows, test_rows in train_test_rows(reduced, to_fit, len(test.id_N)):
        high_N, low_N = (side[train_rows] for side in on_side)
        if high_N.any() and low_N.any():
            points_ND = to_fit.points_ND[train_rows]
            score_N[test_rows] = probe_scores(
                points_ND, high_N, low_N, test.points_ND[test_rows]
            )
    return score_N


def sign_flip_test(difference_S: Sequence[float], rng: np.random.Generator) -> float | None:
    """Two-sided p-value of a mean difference over speakers, from changing their signs.

    Exact for up to 13 speakers; None for fewer than two.
    """
    if len(difference_S) < 2:
        return None
    found = permutation_test(
        (difference_S,),
        lambda values, axis: np.mean(values, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=SIGN_FLIPS,
        random_state=rng,
    )
    return float(found.pvalue)

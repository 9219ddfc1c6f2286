"""How well the emotions on the two sides of an axis come apart: AUC with its interval.

The AUC of a score is averaged over every pair of an emotion on the high side and one on the
low side, so that it does not depend on how many clips each emotion has.

Axes: N utterances, S speakers, X any leading axes of counts (resamples).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve
from scipy.stats import permutation_test
from sklearn.covariance import ledoit_wolf

from ser_brain.analysis.circumplex import angles
from ser_brain.analysis.circumplex.bootstrap import Draws, estimate, mean_over_parts
from ser_brain.analysis.circumplex.components import SetMap
from ser_brain.analysis.circumplex.procrustes import speaker_folds
from ser_brain.evaluation.metrics import number

# All ways to put the signs are gone through where they are no more: up to 13 speakers.
SIGNS = 9_999

# Comparisons of utterances held at once: 80 MB.
COMPARED_AT_ONCE = 10_000_000


@dataclass(frozen=True)
class Pair:
    """Comparisons of the utterances of two emotions, by their speakers.

    Attributes
    ----------
    won_SS : ndarray
        How often a row speaker's high utterance scores above a column speaker's low one; a tie
        is half.
    high_S, low_S : ndarray
        Utterances of the emotion on either side.
    """

    won_SS: np.ndarray
    high_S: np.ndarray
    low_S: np.ndarray

    def auc(self, counts_XS: np.ndarray) -> np.ndarray:
        """AUC where each speaker counts so often; NaN without an utterance on either side."""
        won_X = np.einsum("...s,st,...t->...", counts_XS, self.won_SS, counts_XS)
        compared_X = (counts_XS @ self.high_S) * (counts_XS @ self.low_S)
        return np.divide(
            won_X, compared_X, out=np.full(won_X.shape, np.nan), where=compared_X > 0
        )

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
    """Compare the scores of two emotions.

    Parameters
    ----------
    score_N : ndarray
    high_N, low_N : ndarray of bool
    speaker_N : ndarray of int
    speakers : int
    """
    low_scores = score_N[low_N]
    by_low = np.zeros((speakers, len(low_scores)))
    blocks = 1 + int(high_N.sum()) * len(low_scores) // COMPARED_AT_ONCE
    for rows in np.array_split(np.flatnonzero(high_N), blocks):
        above = score_N[rows][:, None] - low_scores
        np.add.at(by_low, speaker_N[rows], (above > 0) + 0.5 * (above == 0))
    won_SS = np.zeros((speakers, speakers))
    np.add.at(won_SS.T, speaker_N[low_N], by_low.T)
    high_S, low_S = (
        np.bincount(speaker_N[side], minlength=speakers) for side in (high_N, low_N)
    )
    return Pair(won_SS, high_S, low_S)


@dataclass(frozen=True)
class Axis:
    """A straight axis on which the low side has its mean at 0 and the high side at 1.

    Attributes
    ----------
    weights_D : ndarray
    origin_D : ndarray
    """

    weights_D: np.ndarray
    origin_D: np.ndarray

    def score(self, points_ND: np.ndarray) -> np.ndarray:
        """Where points lie on it; scores of axes fitted on other speakers can be compared."""
        return (points_ND - self.origin_D) @ self.weights_D


def probe(points_ND: np.ndarray, high_N: np.ndarray, low_N: np.ndarray) -> Axis:
    """The straight axis that tells the high from the low side best.

    Fisher's linear discriminant under a covariance shrunk as Ledoit and Wolf (2004, J.
    Multivar. Anal. 88(2)) do, so that few utterances in many dimensions will do.
    """
    high_ND, low_ND = points_ND[high_N], points_ND[low_N]
    high_D, low_D = high_ND.mean(axis=0), low_ND.mean(axis=0)
    about_ND = np.concatenate([high_ND - high_D, low_ND - low_D])
    covariance_DD, _ = ledoit_wolf(about_ND, assume_centered=True)
    weights_D = solve(covariance_DD, high_D - low_D, assume_a="pos")
    return Axis(weights_D / (weights_D @ (high_D - low_D)), low_D)


def sign_flip(difference_S: Sequence[float], rng: np.random.Generator) -> float | None:
    """Two-sided p-value of a mean difference over speakers, by changing their signs.

    Returns
    -------
    float or None
        Exact for up to 13 speakers; None for fewer than two.

    Examples
    --------
    >>> sign_flip([1.0, 2.0, 3.0], np.random.default_rng(1))
    0.25
    """
    known = np.array([d for d in difference_S if np.isfinite(d)])
    if len(known) < 2:
        return None
    found = permutation_test(
        (known,),
        lambda values, axis: np.mean(values, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=SIGNS,
        random_state=rng,
    )
    return float(found.pvalue)


WAYS = {"map": "on the map", "best": "on the best axis"}


def separability(
    found: SetMap, placed: Mapping[str, np.ndarray], draws: Draws, rng: np.random.Generator
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
        for a, axis in enumerate(angles.AXES):
            sides = angles.sides(found.emotions, axis)
            if not (sides[0] and sides[1]):
                axes[axis] = None
                continue
            scores = {
                part: placed[part][:, a] if way == "map" else _best(found, part, sides)
                for part in found.judged.clouds
            }
            axes[axis], drawn[f"{axis} {way}"], within[axis] = _axis(
                found, scores, sides, draws
            )
        results[way] = {**axes, "difference": None, "within_speakers": None}
        if len(within) == 2:
            apart_B = drawn[f"arousal {way}"] - drawn[f"valence {way}"]
            values = [axes[axis]["auc"]["value"] for axis in ("arousal", "valence")]
            if None not in values:
                results[way]["difference"] = estimate(values[0] - values[1], apart_B, draws)
            results[way]["within_speakers"] = _within(
                within["arousal"] - within["valence"], rng
            )
    return results, drawn


def _axis(
    found: SetMap,
    scores: Mapping[str, np.ndarray],
    sides: tuple[list[str], list[str]],
    draws: Draws,
) -> tuple[dict, np.ndarray, np.ndarray]:
    once_S = np.ones(draws.clusters.count)
    pairs, values, resampled, parts, within = [], [], [], {}, []
    compared = {
        part: _pairs(found, part, score_N, sides, draws) for part, score_N in scores.items()
    }
    for part, of_part in compared.items():
        parts[part] = number(np.mean([pair.auc(once_S) for pair in of_part.values()]))
    for names in next(iter(compared.values())):
        each = [of_part[names] for of_part in compared.values()]
        value = mean_over_parts(pair.auc(once_S) for pair in each)
        values.append(value)
        resampled.append(mean_over_parts(pair.auc(draws.counts_BS) for pair in each))
        within.append(mean_over_parts(pair.within_speakers() for pair in each))
        pairs.append({"high": names[0], "low": names[1], "auc": number(value)})
    drawn_B = np.mean(resampled, axis=0)
    auc = estimate(float(np.mean(values)), drawn_B, draws)
    result = {"high": sides[0], "low": sides[1], "auc": auc, "pairs": pairs, "parts": parts}
    return result, drawn_B, np.mean(within, axis=0)


def _pairs(
    found: SetMap,
    part: str,
    score_N: np.ndarray,
    sides: tuple[list[str], list[str]],
    draws: Draws,
) -> dict[tuple[str, str], Pair]:
    cloud = found.judged.clouds[part]
    known_N = np.isfinite(score_N)
    of = {emotion: known_N & (cloud.emotion_N == n) for n, emotion in enumerate(found.emotions)}
    speaker_N = draws.of(cloud)
    return {
        (high, low): compare(score_N, of[high], of[low], speaker_N, draws.clusters.count)
        for high in sides[0]
        for low in sides[1]
    }


def _best(found: SetMap, part: str, sides: tuple[list[str], list[str]]) -> np.ndarray:
    """Scores on the best axis, each by one that has not heard the speaker; NaN without one."""
    judged, fitted = found.judged.clouds[part], found.fitted_on.clouds[part]
    on_side = [
        np.isin(np.array(found.fitted_on.emotions)[fitted.emotion_N], side) for side in sides
    ]
    folds = [(np.arange(len(fitted.ids)), np.arange(len(judged.ids)))]
    if found.same:
        folds = speaker_folds(judged.speakers)
    score_N = np.full(len(judged.ids), np.nan)
    for heard, rows in folds:
        high_N, low_N = (side[heard] for side in on_side)
        if high_N.any() and low_N.any():
            axis = probe(fitted.points_ND[heard], high_N, low_N)
            score_N[rows] = axis.score(judged.points_ND[rows])
    return score_N


def _within(difference_S: np.ndarray, rng: np.random.Generator) -> dict:
    known = difference_S[np.isfinite(difference_S)]
    return {
        "difference": float(known.mean()) if len(known) else None,
        "speakers": len(known),
        "p": sign_flip(known.tolist(), rng),
    }

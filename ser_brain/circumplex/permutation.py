"""Permutation tests: would labels that mean nothing fit the circle as well?

Two questions, two tests. *Labels of utterances* are permuted, within each speaker where the
speaker has several emotions, so that neither voices nor how often a speaker acts an emotion can
explain the result: does the space hold any emotion in Russell's order? *Names of emotions* are
permuted over the centroids, which stay where they are: given clusters, are they in Russell's
order? With few emotions the second has few outcomes and cannot give a small p-value.

Axes: U utterances, E emotions, P permutations.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

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

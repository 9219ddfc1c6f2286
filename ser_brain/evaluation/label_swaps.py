"""Swapped class names: would other names for the labels agree better with the predictions?

The agreement of label y with class c is the mean log-probability of c over utterances labelled
y, minus the model's general preference for c: a model that nearly always predicts neutral does
not agree with any label the more for it. The best assignment of names has the highest total
agreement (Kuhn 1955, doi:10.1002/nav.3800020109). It consists of swaps, and each is judged by
how consistently the speakers gain from it, compared with random namings of every speaker's
classes (the maximum over swaps, as in Westfall and Young 1993, Resampling-Based Multiple
Testing). Whole classes of a speaker are renamed, not single utterances: how a speaker plays
anger is one observation, however many clips of it there are.

Axes: N utterances, C classes (first as labelled, then as scored), S speakers, R namings.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import log_softmax

from ser_brain.core.errors import SERError
from ser_brain.evaluation.predictions import Predictions

NAMINGS = 1999

# In a large corpus, the slightest tendency of a model to confuse two classes is significant. A
# swap must also win back this much recall.
LEAST_RECALL_GAIN = 0.1


@dataclass(frozen=True)
class LabelSwap:
    """Classes whose names are swapped, or rotated among three or more.

    Attributes
    ----------
    cycle : tuple of int
        Utterances labelled with a class of it sound like the next class; the last like the
        first.
    consistency : float
        How evenly the speakers gain from it: sqrt(S) where all gain the same.
    p : float
        Share of random namings that show a swap as consistent.
    recall_gain : float
        By how much the mean recall of these classes rises.
    """

    cycle: tuple[int, ...]
    consistency: float
    p: float
    recall_gain: float

    def is_credible(self, level: float) -> bool:
        """Whether it is neither chance nor a mere tendency of the model."""
        return self.p <= level and self.recall_gain >= LEAST_RECALL_GAIN


def find_swaps(
    cells_SCC: np.ndarray, recall_CC: np.ndarray, random_R: np.ndarray
) -> list[LabelSwap]:
    """Find the swaps that make up the best assignment, the most likely first.

    Parameters
    ----------
    cells_SCC : ndarray
        See :func:`speaker_cells`.
    recall_CC : ndarray
        Label, class -> share of the utterances labelled so that are recognised as the class.
    random_R : ndarray
        See :func:`random_consistencies`.

    Examples
    --------
    >>> swapped_CC = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0.0]])
    >>> find_swaps(np.stack([swapped_CC] * 4), swapped_CC, np.zeros(19))
    [LabelSwap(cycle=(0, 2), consistency=2.0, p=0.05, recall_gain=1.0)]
    """
    found = []
    for cycle in best_cycles(cells_SCC):
        labels, classes = list(cycle), next_in(cycle)
        recall_gain = (recall_CC[labels, classes] - recall_CC[labels, labels]).mean()
        consistency = _consistency(cells_SCC, cycle)
        # The tolerance keeps rounding from separating namings that are equally consistent.
        p = (1 + np.sum(random_R >= consistency - 1e-9)) / (1 + len(random_R))
        found.append(LabelSwap(cycle, consistency, float(p), float(recall_gain)))
    return sorted(found, key=lambda swap: swap.p)


def speaker_cells(
    log_probs_NC: np.ndarray, true_N: np.ndarray, speaker_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean log-probabilities of each speaker's classes, without the model's preferences.

    Parameters
    ----------
    log_probs_NC : ndarray
    true_N, speaker_N : ndarray of int
        Class and speaker of each utterance, from 0.

    Returns
    -------
    cells_SCC : ndarray
        Speaker, label -> score of each class; NaN where the speaker has no such label.
    preference_SC : ndarray
        What was subtracted: the mean over the speaker's labels, each with the same weight.
    """
    speakers, classes = speaker_N.max() + 1, log_probs_NC.shape[1]
    cells_SCC = np.zeros((speakers, classes, classes))
    counts_SC = np.zeros((speakers, classes))
    np.add.at(cells_SCC, (speaker_N, true_N), log_probs_NC)
    np.add.at(counts_SC, (speaker_N, true_N), 1)
    cells_SCC /= np.where(counts_SC > 0, counts_SC, np.nan)[:, :, None]
    preference_SC = np.nanmean(cells_SCC, axis=1)
    return cells_SCC - preference_SC[:, None], preference_SC


def random_consistencies(cells_SCC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Name each speaker's classes at random, again and again: the most consistent swap of each.

    Returns
    -------
    ndarray, shape (R,)
        0 where the random names agree best as they are.
    """
    labelled_SC = ~np.isnan(cells_SCC[:, :, 0])
    in_order_SC = np.argsort(~labelled_SC, axis=1, kind="stable")
    names_SC = np.empty_like(in_order_SC)
    found_R = np.zeros(NAMINGS)
    for r in range(NAMINGS):
        # Only labels that a speaker has are shuffled: absent ones come last in both orders.
        drawn_SC = np.where(labelled_SC, rng.random(labelled_SC.shape), 1)
        np.put_along_axis(names_SC, in_order_SC, np.argsort(drawn_SC, axis=1), axis=1)
        named_SCC = np.take_along_axis(cells_SCC, names_SC[:, :, None], axis=1)
        cycles = best_cycles(named_SCC)
        found_R[r] = max((_consistency(named_SCC, cycle) for cycle in cycles), default=0)
    return found_R


def best_cycles(cells_SCC: np.ndarray) -> list[tuple[int, ...]]:
    """The cycles in the assignment of highest agreement; every speaker has the same weight."""
    _, assigned_C = linear_sum_assignment(np.nanmean(cells_SCC, axis=0), maximize=True)
    found, seen = [], set()
    for start in range(len(assigned_C)):
        cycle = []
        while start not in seen:
            seen.add(start)
            cycle.append(start)
            start = int(assigned_C[start])
        if len(cycle) > 1:
            found.append(tuple(cycle))
    return found


def next_in(cycle: Sequence[int]) -> list[int]:
    """For each class of a cycle, the class it sounds like."""
    return [*cycle[1:], cycle[0]]


def speaker_gains(cells_SCC: np.ndarray, cycle: Sequence[int]) -> np.ndarray:
    """The gain in agreement of each speaker who has all classes of a swap."""
    labels = list(cycle)
    gains_SK = cells_SCC[:, labels, next_in(cycle)] - cells_SCC[:, labels, labels]
    gains_S = gains_SK.sum(axis=1)
    return gains_S[np.isfinite(gains_S)]


def _consistency(cells_SCC: np.ndarray, cycle: Sequence[int]) -> float:
    """Sum of the speakers' gains divided by their root sum of squares: at most sqrt(S)."""
    gains_S = speaker_gains(cells_SCC, cycle)
    length = np.linalg.norm(gains_S)
    return float(gains_S.sum() / length) if length > 0 else 0.0


@dataclass(frozen=True)
class LabelledScores:
    """Labelled utterances of speakers with two classes or more.

    Attributes
    ----------
    ids : list of str
    emotions : list of str
        The classes that occur as labels.
    true_N, speaker_N : ndarray of int
        Class and speaker, numbered from 0.
    log_probs_NC : ndarray
        Of the classes that occur.
    predicted_N : ndarray of int
        The class with the highest score of all the model's classes; C for one that does not
        occur.
    skipped : dict
        Reason -> number of utterances.
    """

    ids: list[str]
    emotions: list[str]
    true_N: np.ndarray
    speaker_N: np.ndarray
    log_probs_NC: np.ndarray
    predicted_N: np.ndarray
    skipped: dict[str, int]


def labelled_scores(parts: Mapping[str, Predictions]) -> LabelledScores:
    """Average the log-probabilities of all models that predict an utterance.

    Parameters
    ----------
    parts : mapping
        Part -> predictions on one test set, with the same classes.

    Raises
    ------
    SERError
        If a model gives no probabilities.
    """
    scores, facts = defaultdict(list), {}
    for name, part in parts.items():
        if part.log_probs_NC is None:
            raise SERError(
                f"The {name} of {part.card['experiment']} gives no class probabilities. To "
                "check labels, use a model of emotion classes."
            )
        for place, utterance_id in enumerate(part.ids):
            scores[utterance_id].append(part.log_probs_NC[place])
            facts[utterance_id] = int(part.true_N[place]), part.rows[place].get("speaker")
    ids, skipped = _testable(facts)
    labels = sorted({facts[i][0] for i in ids})
    speakers = sorted({facts[i][1] for i in ids})
    model_classes = next(iter(parts.values())).emotions
    means_NC = np.array([np.mean(scores[i], axis=0) for i in ids])
    means_NC = log_softmax(means_NC.reshape(len(ids), len(model_classes)), axis=1)
    place_of = np.full(len(model_classes), len(labels))
    place_of[labels] = np.arange(len(labels))
    return LabelledScores(
        ids,
        [model_classes[label] for label in labels],
        place_of[[facts[i][0] for i in ids]],
        np.searchsorted(speakers, [facts[i][1] for i in ids]),
        means_NC[:, labels],
        place_of[means_NC.argmax(axis=1)],
        skipped,
    )


def _testable(facts: Mapping[str, tuple]) -> tuple[list[str], dict[str, int]]:
    """Ids of utterances that another naming of the speaker's classes can change; the others."""
    classes_of = defaultdict(set)
    for label, speaker in facts.values():
        if label >= 0:
            classes_of[speaker].add(label)
    kept, skipped = [], Counter()
    for utterance_id, (label, speaker) in sorted(facts.items()):
        if label < 0:
            skipped["without a label of the classes"] += 1
        elif speaker is None:
            skipped["of an unknown speaker"] += 1
        elif len(classes_of[speaker]) < 2:
            skipped["of a speaker with one class only"] += 1
        else:
            kept.append(utterance_id)
    return kept, dict(skipped)

"""Label errors: does the documentation of a corpus swap the names of its classes?

A corpus with two names swapped looks like one on which a model does badly. The difference is
that the model does well once the names are swapped back.

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

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment

from ser_brain.core.errors import SERError
from ser_brain.core.tables import Table, to_text
from ser_brain.data.corpora import is_of
from ser_brain.data.experiment import Protocol
from ser_brain.evaluation.metrics import confusion_matrix
from ser_brain.evaluation.predictions import LabelledPredictions
from ser_brain.evaluation.runs import averaged, pool

LEVEL = 0.05
CLIPS_PER_CLASS = 3
NAMINGS = 1999

# In a large corpus, the slightest tendency of a model to confuse two classes is significant. A
# swap must also win back this much recall.
LEAST_RECALL_GAIN = 0.1


def check_labels(parts: Mapping[str, LabelledPredictions], level: float = LEVEL) -> dict:
    """Look for swapped class names in the predictions on one test set, part by part.

    Where several models predict one utterance, their log-probabilities are averaged, since they
    are one observation. ``level``: the share of correct test sets for which a model that knows
    nothing of emotions would raise a false alarm; a better model raises fewer.

    Returns
    -------
    dict
        ``verdict``: ``exchanged``, ``silent`` or ``untested`` (with ``left_out``: why); ``p``
        of the most likely swap (1 where the documented names agree best); ``exchanges`` with
        clips to listen to; ``uar`` and ``freed_uar`` (without the model's preferences), as
        documented and with names swapped back; where it is silent, ``unseen``: pairs of classes
        whose swap these predictions would not reveal.
    """
    pooled = pool(parts)
    card = pooled.card
    if not pooled.is_scored:
        raise SERError(
            f"The {next(iter(parts))} of {card['experiment']} gives no class probabilities. To "
            "check labels, use a model of emotion classes."
        )
    scores = labelled_scores(pooled)
    facts = {
        "test_set": card["test_set"],
        "protocol": card["protocol"],
        "learned": _is_trained_on(pooled),
        "level": level,
        "emotions": scores.emotions,
        "utterances": len(scores.ids),
        "speakers": len(set(scores.speaker_N.tolist())),
        "left_out": scores.skipped,
    }
    if not scores.ids:
        return facts | {"verdict": "untested", "exchanges": []}
    cells_SCC, preference_SC = speaker_cells(
        scores.log_probs_NC, scores.true_N, scores.speaker_N
    )
    debiased_NC = scores.log_probs_NC - preference_SC[scores.speaker_N]
    recall_CC = _recalls(scores, scores.predicted_N)
    debiased_recall_CC = _recalls(scores, debiased_NC.argmax(axis=1))
    random_R = random_consistencies(cells_SCC, np.random.default_rng(card["seed"]))
    found = find_swaps(cells_SCC, debiased_recall_CC, random_R)
    credible = [swap for swap in found if swap.is_credible(level)]
    # Pairs of classes whose swap in the documentation the test would not find. The distribution
    # over random namings does not depend on the documented one, so it is reused.
    unseen, pairs = [], combinations(range(len(scores.emotions)), 2)
    for pair in pairs if not credible else ():
        named_C = np.arange(len(scores.emotions))
        named_C[list(pair)] = pair[::-1]
        swaps = find_swaps(cells_SCC[:, named_C], debiased_recall_CC[named_C], random_R)
        if not any(swap.cycle == pair and swap.is_credible(level) for swap in swaps):
            unseen.append([scores.emotions[label] for label in pair])
    return facts | {
        "verdict": "exchanged" if credible else "silent",
        "p": found[0].p if found else 1.0,
        "exchanges": [_describe(swap, scores, cells_SCC, debiased_NC) for swap in credible],
        "uar": _uar(recall_CC, credible),
        "freed_uar": _uar(debiased_recall_CC, credible),
        "unseen": unseen,
    }


@dataclass(frozen=True)
class LabelledScores:
    """Labelled utterances of speakers with two classes or more; ``skipped``: why -> how many.

    ``predicted_N`` is of all the model's classes: C for one that does not occur as a label.
    """

    ids: list[str]
    emotions: list[str]  # those that occur as labels
    true_N: np.ndarray
    speaker_N: np.ndarray
    log_probs_NC: np.ndarray  # of the classes that occur
    predicted_N: np.ndarray
    skipped: dict[str, int]


def labelled_scores(pooled: LabelledPredictions) -> LabelledScores:
    """Average the log-probabilities of all models that predict an utterance."""
    predictions = averaged(replace(pooled, temperature_N=None))  # scores as they were given
    places, skipped = _testable(predictions)
    tested = predictions.chosen(places)
    labels = np.unique(tested.true_N)
    _, speaker_N = np.unique([row["speaker"] for row in tested.rows], return_inverse=True)
    place_of = np.full(len(tested.emotions), len(labels))
    place_of[labels] = np.arange(len(labels))
    return LabelledScores(
        tested.ids,
        [tested.emotions[label] for label in labels],
        place_of[tested.true_N],
        speaker_N,
        tested.log_probs_NC[:, labels],
        place_of[tested.predicted_N],
        skipped,
    )


def _testable(predictions: LabelledPredictions) -> tuple[list[int], dict[str, int]]:
    """Places of utterances that another naming of the speaker's classes can change, by id.

    And why the others are skipped -> how many.
    """
    speakers = [row.get("speaker") for row in predictions.rows]
    labels = predictions.true_N.tolist()
    classes_of = defaultdict(set)
    for label, speaker in zip(labels, speakers, strict=True):
        if label >= 0:
            classes_of[speaker].add(label)
    kept, skipped = [], Counter()
    for place in sorted(range(len(labels)), key=predictions.ids.__getitem__):
        if labels[place] < 0:
            skipped["without a label of the classes"] += 1
        elif speakers[place] is None:
            skipped["of an unknown speaker"] += 1
        elif len(classes_of[speakers[place]]) < 2:
            skipped["of a speaker with one class only"] += 1
        else:
            kept.append(place)
    return kept, dict(skipped)


def _is_trained_on(predictions: LabelledPredictions) -> bool:
    """Whether the model was trained on labels of this corpus, according to its protocol.

    The corpus of the utterances counts: the name of a test set may have additions.
    """
    card = predictions.card
    trained = Protocol.of(card).corpora
    tested = {row.get("corpus") or card["test_set"] for row in predictions.rows}
    return card["role"] == "train" or any(is_of(corpus, trained) for corpus in tested)


def _recalls(scores: LabelledScores, predicted_N: np.ndarray) -> np.ndarray:
    classes = len(scores.emotions)
    counts_CC = confusion_matrix(scores.true_N, predicted_N, classes + 1)[:classes]
    return counts_CC[:, :classes] / counts_CC.sum(axis=1, keepdims=True)


def _uar(recall_CC: np.ndarray, swaps: Sequence[LabelSwap]) -> dict[str, float]:
    """UAR with the names as documented, and with all swaps undone."""
    class_of = np.arange(len(recall_CC))
    for swap in swaps:
        class_of[list(swap.cycle)] = next_in(swap.cycle)
    return {
        "documented": float(np.trace(recall_CC) / len(recall_CC)),
        "exchanged": float(recall_CC[np.arange(len(recall_CC)), class_of].mean()),
    }


@dataclass(frozen=True)
class LabelSwap:
    """Classes whose names are swapped, or rotated among three or more.

    Utterances labelled with a class of ``cycle`` sound like the next one; the last like the
    first.
    """

    cycle: tuple[int, ...]
    consistency: float  # how evenly the speakers gain from it: sqrt(S) where all gain the same
    p: float  # share of random namings that show a swap as consistent
    recall_gain: float  # by how much the mean recall of these classes rises

    def is_credible(self, level: float) -> bool:
        """Whether it is neither chance nor a mere tendency of the model."""
        return self.p <= level and self.recall_gain >= LEAST_RECALL_GAIN


def find_swaps(
    cells_SCC: np.ndarray, recall_CC: np.ndarray, random_R: np.ndarray
) -> list[LabelSwap]:
    """Find the swaps that make up the best assignment, the most likely first.

    See :func:`speaker_cells` and :func:`random_consistencies`; ``recall_CC``: label, class ->
    share of the utterances labelled so that are recognised as the class.
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
    """Name each speaker's classes at random, R times: the most consistent swap of each naming.

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


def _describe(
    swap: LabelSwap, scores: LabelledScores, cells_SCC: np.ndarray, debiased_NC: np.ndarray
) -> dict:
    gains_S = speaker_gains(cells_SCC, swap.cycle)
    return {
        "classes": [scores.emotions[label] for label in swap.cycle],
        "p": swap.p,
        "recall_gain": swap.recall_gain,
        "speakers": len(gains_S),
        "speakers_for": int((gains_S > 0).sum()),
        "clips": [
            clip
            for label, other in zip(swap.cycle, next_in(swap.cycle), strict=True)
            for clip in _clips(label, other, scores, debiased_NC)
        ],
    }


def _clips(
    label: int, other: int, scores: LabelledScores, debiased_NC: np.ndarray
) -> list[dict]:
    """The utterances labelled so that sound most clearly like the other class."""
    labelled = np.flatnonzero(scores.true_N == label)
    excess = debiased_NC[labelled, other] - debiased_NC[labelled, label]
    clearest = labelled[np.argsort(-excess, kind="stable")[:CLIPS_PER_CLASS]]
    probs_NC = np.exp(scores.log_probs_NC)
    return [
        {
            "id": scores.ids[i],
            "documented": scores.emotions[label],
            "sounds_like": scores.emotions[other],
            "probabilities": dict(zip(scores.emotions, probs_NC[i].tolist(), strict=True)),
        }
        for i in clearest
    ]


def labels_text(facts: Mapping) -> str:
    """The result of :func:`check_labels` for a terminal."""
    if facts["verdict"] == "exchanged":
        return "\n".join(_swapped_lines(facts))
    if facts["verdict"] == "untested":
        return f"{facts['test_set']}: the labels cannot be checked ({_skipped(facts)})."
    if facts["p"] <= facts["level"]:
        outcome = "another naming of the classes agrees better, but by too little for a swap"
    elif facts["p"] < 1:
        outcome = "another naming of the classes agrees better, as happens by chance"
    else:
        outcome = "no naming of the classes agrees better than the documented one"
    line = (
        f"{facts['test_set']}: {outcome} (p {facts['p']:.2g}, {facts['speakers']} speakers, "
        f"{_uars(facts, 'documented')})."
    )
    return " ".join([line, *_cautions(facts)])


def _swapped_lines(facts: Mapping) -> list[str]:
    lines = [f"{facts['test_set']}: class names seem to be swapped."]
    head = ["Clip", "Documented as", "Sounds like", "P(documented)", "P(sounds like)"]
    clips = Table("clips", "", head)
    for swap in facts["exchanges"]:
        lines.append(
            f"  {_arrows(swap['classes'])}: p {swap['p']:.2g}, "
            f"{swap['speakers_for']} of {swap['speakers']} speakers agree"
        )
        for clip in swap["clips"]:
            names = [clip["documented"], clip["sounds_like"]]
            clips.rows.append([clip["id"], *names, *(clip["probabilities"][n] for n in names)])
    lines += [
        f"  as documented: {_uars(facts, 'documented')}",
        f"  swapped back:  {_uars(facts, 'exchanged')}",
        "",
        "The result would look the same for a model that confuses these classes in this",
        "language or for these speakers. Listen to these clips first:",
        "",
        to_text(clips),
    ]
    return lines + [f"\n{caution}" for caution in _cautions(facts)]


def _uars(facts: Mapping, naming: str) -> str:
    return (
        f"UAR {facts['uar'][naming]:.3f}, or {facts['freed_uar'][naming]:.3f} without the "
        "model's preference for some classes"
    )


def _cautions(facts: Mapping) -> list[str]:
    """What the result does not show."""
    found = []
    if facts["learned"]:
        found.append(
            "The model was trained on these labels; names that are swapped throughout the "
            "corpus cannot be found with it."
        )
    if facts["unseen"]:
        which = f"a swap of {', '.join(_arrows(pair) for pair in facts['unseen'])}"
        if len(facts["unseen"]) == math.comb(len(facts["emotions"]), 2):
            which = "any swap"
        found.append(f"These predictions would not reveal {which}.")
    if facts["left_out"]:
        found.append(f"Skipped {_skipped(facts)}.")
    return found


def _skipped(facts: Mapping) -> str:
    reasons = [f"{count:,} {reason}" for reason, count in facts["left_out"].items()]
    return f"utterances: {', '.join(reasons)}"


def _arrows(classes: Sequence[str]) -> str:
    """``anger <-> sadness``; of three or more, what sounds like what."""
    return " <-> ".join(classes) if len(classes) == 2 else " -> ".join([*classes, classes[0]])

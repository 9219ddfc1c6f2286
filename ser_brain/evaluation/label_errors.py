"""Label errors: does the documentation of a corpus swap the names of its classes?

A corpus with two names swapped looks like one on which a model does badly. The difference is
that the model does well once the names are swapped back, which
:mod:`ser_brain.evaluation.label_swaps` tests.

Axes: N utterances, C classes (first as labelled, then as scored), S speakers, R random namings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ser_brain.core.tables import Table, to_text
from ser_brain.data.corpora import is_of
from ser_brain.data.experiment import Protocol
from ser_brain.evaluation.label_swaps import (
    LabelledScores,
    LabelSwap,
    find_swaps,
    labelled_scores,
    next_in,
    random_consistencies,
    speaker_cells,
    speaker_gains,
)
from ser_brain.evaluation.metrics import confusion_matrix
from ser_brain.evaluation.predictions import Predictions
from ser_brain.evaluation.runs import pool

LEVEL = 0.05
CLIPS_PER_CLASS = 3


def check_labels(parts: Mapping[str, Predictions], level: float = LEVEL) -> dict:
    """Look for swapped class names in the predictions on one test set.

    Parameters
    ----------
    parts : mapping
        Part -> predictions, as in :attr:`ser_brain.evaluation.runs.Run.test_sets`. Where
        several models predict one utterance, their log-probabilities are averaged, since they
        are one observation.
    level : float
        The share of correct test sets for which a model that knows nothing of emotions would
        raise a false alarm; a better model raises fewer.

    Returns
    -------
    dict
        ``verdict``: ``exchanged``, ``silent`` or ``untested`` (with ``left_out``: why); ``p``
        of the most likely swap (1 where the documented names agree best); ``exchanges`` with
        clips to listen to; ``uar`` and ``freed_uar`` (without the model's preferences), as
        documented and with names swapped back; where it is silent, ``unseen``: pairs of classes
        whose swap these predictions would not reveal.

    Raises
    ------
    SERError
        If the parts differ or the model gives no probabilities.
    """
    pooled = pool(parts)
    card = pooled.card
    scores = labelled_scores(parts)
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
    evidence = _evidence(scores)
    random_R = random_consistencies(evidence.cells_SCC, np.random.default_rng(card["seed"]))
    found = find_swaps(evidence.cells_SCC, evidence.debiased_recall_CC, random_R)
    credible = [swap for swap in found if swap.is_credible(level)]
    return facts | {
        "verdict": "exchanged" if credible else "silent",
        "p": found[0].p if found else 1.0,
        "exchanges": [_describe(swap, scores, evidence) for swap in credible],
        "uar": _uar(evidence.recall_CC, credible),
        "freed_uar": _uar(evidence.debiased_recall_CC, credible),
        "unseen": [] if credible else _unseen(scores.emotions, evidence, random_R, level),
    }


@dataclass(frozen=True)
class _Evidence:
    """How labels and predictions go together; ``debiased``: without the model's preferences.

    ``recall_CC``: label, class -> share of the utterances labelled so that are predicted as the
    class. ``cells_SCC``: see :func:`ser_brain.evaluation.label_swaps.speaker_cells`.
    """

    cells_SCC: np.ndarray
    debiased_NC: np.ndarray
    recall_CC: np.ndarray
    debiased_recall_CC: np.ndarray


def _is_trained_on(predictions: Predictions) -> bool:
    """Whether the model was trained on labels of this corpus, according to its protocol.

    The corpus of the utterances counts: the name of a test set may have additions.
    """
    card = predictions.card
    trained = Protocol.of(card).corpora
    tested = {row.get("corpus") or card["test_set"] for row in predictions.rows}
    return card["role"] == "train" or any(is_of(corpus, trained) for corpus in tested)


def _evidence(scores: LabelledScores) -> _Evidence:
    cells_SCC, preference_SC = speaker_cells(
        scores.log_probs_NC, scores.true_N, scores.speaker_N
    )
    debiased_NC = scores.log_probs_NC - preference_SC[scores.speaker_N]
    return _Evidence(
        cells_SCC,
        debiased_NC,
        _recalls(scores, scores.predicted_N),
        _recalls(scores, debiased_NC.argmax(axis=1)),
    )


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


def _unseen(
    emotions: Sequence[str], evidence: _Evidence, random_R: np.ndarray, level: float
) -> list[list[str]]:
    """Pairs of classes whose swap in the documentation the test would not find.

    The distribution over random namings does not depend on the documented one, so it is reused.
    """
    found = []
    for pair in combinations(range(len(emotions)), 2):
        named_C = np.arange(len(emotions))
        named_C[list(pair)] = pair[::-1]
        swaps = find_swaps(
            evidence.cells_SCC[:, named_C], evidence.debiased_recall_CC[named_C], random_R
        )
        if not any(swap.cycle == pair and swap.is_credible(level) for swap in swaps):
            found.append([emotions[label] for label in pair])
    return found


def _describe(swap: LabelSwap, scores: LabelledScores, evidence: _Evidence) -> dict:
    gains_S = speaker_gains(evidence.cells_SCC, swap.cycle)
    return {
        "classes": [scores.emotions[label] for label in swap.cycle],
        "p": swap.p,
        "recall_gain": swap.recall_gain,
        "speakers": len(gains_S),
        "speakers_for": int((gains_S > 0).sum()),
        "clips": [
            clip
            for label, other in zip(swap.cycle, next_in(swap.cycle), strict=True)
            for clip in _clips(label, other, scores, evidence)
        ],
    }


def _clips(label: int, other: int, scores: LabelledScores, evidence: _Evidence) -> list[dict]:
    """The utterances labelled so that sound most clearly like the other class."""
    labelled = np.flatnonzero(scores.true_N == label)
    excess = evidence.debiased_NC[labelled, other] - evidence.debiased_NC[labelled, label]
    clearest = labelled[np.argsort(-excess, kind="stable")[:CLIPS_PER_CLASS]]
    return [
        {
            "id": scores.ids[i],
            "documented": scores.emotions[label],
            "sounds_like": scores.emotions[other],
            "probabilities": dict(
                zip(scores.emotions, np.exp(scores.log_probs_NC[i]).tolist(), strict=True)
            ),
        }
        for i in clearest
    ]


def labels_text(facts: Mapping) -> str:
    """The result of :func:`check_labels` for a terminal.

    One line where the labels agree as documented; otherwise each swap, its effect on the UAR,
    and the clips to listen to first.
    """
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

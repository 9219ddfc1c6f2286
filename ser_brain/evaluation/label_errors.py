"""Label sanity: does a corpus's documentation exchange the names of its classes? No torch.

A corpus with two classes exchanged looks like one on which a model does badly. What tells the
two apart is that the model does well once the names are exchanged back; how that is tested
stands in :mod:`ser_brain.evaluation.label_swaps`.

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
    Exchange,
    LabelledScores,
    find_exchanges,
    following,
    labelled_scores,
    random_consistencies,
    speaker_cells,
    speaker_gains,
)
from ser_brain.evaluation.metrics import confusion_matrix
from ser_brain.evaluation.predictions import Predictions
from ser_brain.evaluation.runs import pool

LEVEL = 0.05
CLIPS_PER_CLASS = 3


@dataclass(frozen=True)
class Evidence:
    """How labels and predictions go together.

    Attributes
    ----------
    cells_SCC : ndarray
        See :func:`ser_brain.evaluation.label_swaps.speaker_cells`.
    freed_NC : ndarray
        Log-probabilities less what the model gives the class anyway for this speaker.
    recall_CC : ndarray
        Label, class -> share of what is labelled so for which the model says the class.
    freed_recall_CC : ndarray
        The same, where the highest freed score decides.
    """

    cells_SCC: np.ndarray
    freed_NC: np.ndarray
    recall_CC: np.ndarray
    freed_recall_CC: np.ndarray


def check_labels(parts: Mapping[str, Predictions], level: float = LEVEL) -> dict:
    """Look for exchanged class names in the predictions on one test set.

    Parameters
    ----------
    parts : mapping
        Part -> predictions, as in :attr:`ser_brain.evaluation.runs.Run.test_sets`. Where models
        predict one utterance, their log-probabilities are averaged: they are one observation.
    level : float
        The share of honest test sets for which a model without any idea of the emotions would
        raise an alarm; the more it knows, the fewer.

    Returns
    -------
    dict
        ``verdict``: ``exchanged``, ``silent`` or ``untested`` (with ``left_out``: why); ``p``
        of the likeliest exchange (1 where the documented names agree best); ``exchanges`` with
        their clips; ``uar`` and ``freed_uar`` (without the model's preferences) as documented
        and exchanged; where it is silent, ``unseen``: pairs of classes whose exchange these
        predictions would not show.

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
        "learned": _learned(pooled),
        "level": level,
        "emotions": scores.emotions,
        "utterances": len(scores.ids),
        "speakers": len(set(scores.speaker_N.tolist())),
        "left_out": scores.left_out,
    }
    if not scores.ids:
        return facts | {"verdict": "untested", "exchanges": []}
    evidence = _evidence(scores)
    random_R = random_consistencies(evidence.cells_SCC, np.random.default_rng(card["seed"]))
    found = find_exchanges(evidence.cells_SCC, evidence.freed_recall_CC, random_R)
    believed = [exchange for exchange in found if exchange.believed(level)]
    return facts | {
        "verdict": "exchanged" if believed else "silent",
        "p": found[0].p if found else 1.0,
        "exchanges": [_describe(exchange, scores, evidence) for exchange in believed],
        "uar": _uar(evidence.recall_CC, believed),
        "freed_uar": _uar(evidence.freed_recall_CC, believed),
        "unseen": [] if believed else _unseen(scores.emotions, evidence, random_R, level),
    }


def _learned(predictions: Predictions) -> bool:
    """Whether the model was trained on labels of this corpus, as its protocol says.

    The corpus is that of the utterances: the name of a test set says more than that.
    """
    card = predictions.card
    trained = Protocol.of(card).corpora
    tested = {row.get("corpus") or card["test_set"] for row in predictions.rows}
    return card["role"] == "train" or any(is_of(corpus, trained) for corpus in tested)


def _evidence(scores: LabelledScores) -> Evidence:
    cells_SCC, preference_SC = speaker_cells(
        scores.log_probs_NC, scores.true_N, scores.speaker_N
    )
    freed_NC = scores.log_probs_NC - preference_SC[scores.speaker_N]
    return Evidence(
        cells_SCC,
        freed_NC,
        _recalls(scores, scores.said_N),
        _recalls(scores, freed_NC.argmax(axis=1)),
    )


def _recalls(scores: LabelledScores, said_N: np.ndarray) -> np.ndarray:
    classes = len(scores.emotions)
    counts_CC = confusion_matrix(scores.true_N, said_N, classes + 1)[:classes]
    return counts_CC[:, :classes] / counts_CC.sum(axis=1, keepdims=True)


def _uar(recall_CC: np.ndarray, exchanges: Sequence[Exchange]) -> dict[str, float]:
    """UAR with the names as documented, and with all exchanges made."""
    class_of = np.arange(len(recall_CC))
    for exchange in exchanges:
        class_of[list(exchange.cycle)] = following(exchange.cycle)
    exchanged_C = recall_CC[np.arange(len(recall_CC)), class_of]
    return {
        "documented": float(np.trace(recall_CC) / len(recall_CC)),
        "exchanged": float(exchanged_C.mean()),
    }


def _unseen(
    emotions: Sequence[str], evidence: Evidence, random_R: np.ndarray, level: float
) -> list[list[str]]:
    """Pairs of classes whose exchange in the documentation the test would not find.

    Random namings are as likely whatever the documented one, so what they show stays the same.
    """
    found = []
    for pair in combinations(range(len(emotions)), 2):
        named_C = np.arange(len(emotions))
        named_C[list(pair)] = pair[::-1]
        exchanges = find_exchanges(
            evidence.cells_SCC[:, named_C], evidence.freed_recall_CC[named_C], random_R
        )
        if not any(e.cycle == pair and e.believed(level) for e in exchanges):
            found.append([emotions[label] for label in pair])
    return found


def _describe(exchange: Exchange, scores: LabelledScores, evidence: Evidence) -> dict:
    labels, classes = list(exchange.cycle), following(exchange.cycle)
    gains_S = speaker_gains(evidence.cells_SCC, exchange.cycle)
    return {
        "classes": [scores.emotions[label] for label in labels],
        "p": exchange.p,
        "recall_gain": exchange.recall_gain,
        "speakers": len(gains_S),
        "speakers_for": int((gains_S > 0).sum()),
        "clips": [
            clip
            for label, other in zip(labels, classes, strict=True)
            for clip in _clips(label, other, scores, evidence)
        ],
    }


def _clips(label: int, other: int, scores: LabelledScores, evidence: Evidence) -> list[dict]:
    """Those labelled so that speak most clearly for the other class."""
    labelled = np.flatnonzero(scores.true_N == label)
    excess = evidence.freed_NC[labelled, other] - evidence.freed_NC[labelled, label]
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
    """What :func:`ser_brain.evaluation.label_errors.check_labels` found on a test set.

    One line where the labels are as documented; otherwise each exchange, what it would do to
    the UAR, and the clips to listen to first.
    """
    if facts["verdict"] == "exchanged":
        return "\n".join(_exchanged(facts))
    if facts["verdict"] == "untested":
        reasons = ", ".join(f"{count:,} {why}" for why, count in facts["left_out"].items())
        return f"{facts['test_set']}: the labels cannot be checked (utterances: {reasons})."
    return " ".join([_silent(facts), *_cautions(facts)])


def _silent(facts: Mapping) -> str:
    if facts["p"] <= facts["level"]:
        said = "another naming of the classes agrees better, by too little for an exchange"
    elif facts["p"] < 1:
        said = "another naming of the classes agrees better, as happens by chance"
    else:
        said = "no naming of the classes agrees better than the documented one"
    return (
        f"{facts['test_set']}: {said} (p {facts['p']:.2g}, {facts['speakers']} speakers, "
        f"{_uars(facts, 'documented')})."
    )


def _uars(facts: Mapping, naming: str) -> str:
    return (
        f"UAR {facts['uar'][naming]:.3f}, or {facts['freed_uar'][naming]:.3f} without the "
        "model's preference for some classes"
    )


def _cautions(facts: Mapping) -> list[str]:
    """What silence does not say."""
    found = []
    if facts["learned"]:
        found.append(
            "The model learned these labels; a naming that is wrong throughout, it learned too."
        )
    if facts["unseen"]:
        which = f"an exchange of {', '.join(_arrows(pair) for pair in facts['unseen'])}"
        if len(facts["unseen"]) == math.comb(len(facts["emotions"]), 2):
            which = "any exchange"
        found.append(f"These predictions would not show {which}.")
    if facts["left_out"]:
        reasons = ", ".join(f"{count:,} {why}" for why, count in facts["left_out"].items())
        found.append(f"Left out: {reasons}.")
    return found


def _arrows(classes: Sequence[str]) -> str:
    """``anger <-> sadness``; of three or more, what sounds like what."""
    if len(classes) == 2:
        return " <-> ".join(classes)
    return " -> ".join([*classes, classes[0]])


def _exchanged(facts: Mapping) -> list[str]:
    lines = [f"{facts['test_set']}: class names seem to be exchanged."]
    for exchange in facts["exchanges"]:
        lines.append(
            f"  {_arrows(exchange['classes'])}: p {exchange['p']:.2g}, "
            f"{exchange['speakers_for']} of {exchange['speakers']} speakers agree"
        )
    lines += [
        f"  as documented: {_uars(facts, 'documented')}",
        f"  exchanged:     {_uars(facts, 'exchanged')}",
        "",
        "A model that hears one of these classes in the other, in this language or by these",
        "speakers, would look the same. Listen to these clips first:",
        "",
        to_text(_clips_text(facts)),
    ]
    return lines + [f"\n{caution}" for caution in _cautions(facts)]


def _clips_text(facts: Mapping) -> Table:
    head = ["Clip", "Documented as", "Sounds like", "P(documented)", "P(sounds like)"]
    table = Table("clips", "", head)
    for exchange in facts["exchanges"]:
        for clip in exchange["clips"]:
            documented, other = clip["documented"], clip["sounds_like"]
            given = clip["probabilities"]
            table.rows.append([clip["id"], documented, other, given[documented], given[other]])
    return table

"""Labelled scores: what labels can be checked against, one line per utterance. No torch.

Axes: N utterances, C classes that are labelled.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from ser_brain.errors import SERError
from ser_brain.predictions import Predictions


@dataclass(frozen=True)
class LabelledScores:
    """Labelled utterances of speakers with two classes or more.

    Attributes
    ----------
    ids : list of str
    emotions : list of str
        The classes that are labelled; of the others no score is kept.
    true_N, speaker_N : ndarray of int
        Class and speaker, numbered from 0.
    log_probs_NC : ndarray
    said_N : ndarray of int
        The class with the highest score of all the model's classes; C for one that is not
        labelled.
    left_out : dict
        Reason -> number of utterances.
    """

    ids: list[str]
    emotions: list[str]
    true_N: np.ndarray
    speaker_N: np.ndarray
    log_probs_NC: np.ndarray
    said_N: np.ndarray
    left_out: dict[str, int]


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
                f"The {name} of {part.card['experiment']} gives no class probabilities; labels "
                "can be checked with a model of emotions only."
            )
        for place, utterance_id in enumerate(part.ids):
            scores[utterance_id].append(part.log_probs_NC[place])
            facts[utterance_id] = int(part.true_N[place]), part.rows[place].get("speaker")
    ids, left_out = _testable(facts)
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
        left_out,
    )


def _testable(facts: Mapping[str, tuple]) -> tuple[list[str], dict[str, int]]:
    """Ids whose class another naming of the speaker's classes can move, and what is left."""
    classes_of = defaultdict(set)
    for label, speaker in facts.values():
        if label >= 0:
            classes_of[speaker].add(label)
    kept, left_out = [], Counter()
    for utterance_id, (label, speaker) in sorted(facts.items()):
        if label < 0:
            left_out["without a label of the classes"] += 1
        elif speaker is None:
            left_out["of an unknown speaker"] += 1
        elif len(classes_of[speaker]) < 2:
            left_out["of a speaker with one class only"] += 1
        else:
            kept.append(utterance_id)
    return kept, dict(left_out)

"""Made-up scores of models that know a little or much, for the tests of the label check."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from tests import fake_run


def made_scores(
    rng: np.random.Generator,
    speakers: int = 10,
    clips: int = 3,
    knows: float = 0.0,
    preference: tuple = (0, 0, 0, 0),
    confuses: tuple | None = None,
    speaker_effect: float = 1.0,
    absent: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-probabilities (N, 4), true classes and speakers.

    Parameters
    ----------
    knows : float
        How much higher the true class scores, in standard deviations of a clip.
    preference : tuple
        What each class scores in addition, whatever is true.
    confuses : (int, int), optional
        A class that sounds to the model exactly like another.
    speaker_effect : float
        Standard deviation of how each speaker's class sounds, all its clips alike.
    absent : float
        Share of classes that a speaker lacks.
    """
    centres_CC = knows * np.eye(4)
    if confuses is not None:
        centres_CC[confuses[0]] = centres_CC[confuses[1]]
    scores, true, speaker = [], [], []
    for number in range(speakers):
        has = np.flatnonzero(rng.random(4) >= absent)
        if len(has) < 2:
            has = np.array([0, 1])
        for label in has:
            centre_C = centres_CC[label] + rng.normal(0, speaker_effect, 4) + preference
            scores.append(centre_C + rng.normal(size=(clips, 4)))
            true += [label] * clips
            speaker += [number] * clips
    return log_softmax(np.concatenate(scores), axis=1), np.array(true), np.array(speaker)


def rows_of(
    log_probs_NC: np.ndarray,
    true_N: np.ndarray,
    speaker_N: np.ndarray,
    documented: tuple = (0, 1, 2, 3),
) -> list[dict]:
    """Rows of a predictions file whose labels are named as documented."""
    return [
        {
            **row,
            "id": f"made_{i:04d}",
            "speaker": f"made_{speaker}",
            "emotion": fake_run.EMOTIONS[documented[true]],
            "log_probabilities": dict(zip(fake_run.EMOTIONS, scores.tolist(), strict=True)),
            "predicted_emotion": fake_run.EMOTIONS[int(scores.argmax())],
        }
        for i, (row, scores, true, speaker) in enumerate(
            zip(
                fake_run.rows(len(true_N), "classification"),
                log_probs_NC,
                true_N,
                speaker_N,
                strict=True,
            )
        )
    ]

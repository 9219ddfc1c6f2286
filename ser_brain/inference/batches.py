"""Batches of clips of like length, so that little of what is computed is padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.scores import Scores

# Padded audio of a batch: whisper-base on a CPU is three times as fast as on single clips of
# 7 s; twice as much is little faster and takes more memory.
BATCH_S = 60.0


def batches(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Put clips into batches, longest first.

    Parameters
    ----------
    lengths : sequence of int
        Samples of each clip.
    most : int
        Samples of a batch with its padding; a longer clip is a batch of its own.

    Returns
    -------
    list of list of int
        Places in ``lengths``, each once.

    Examples
    --------
    >>> batches([3, 9, 4, 2], most=8)
    [[1], [2, 0], [3]]
    """
    found: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if found and lengths[found[-1][0]] * (len(found[-1]) + 1) <= most:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def score_all(recognizer: EmotionRecognizer, waveforms: Sequence[np.ndarray]) -> list[Scores]:
    """Score clips of any lengths, batch by batch.

    Parameters
    ----------
    recognizer : EmotionRecognizer
    waveforms : sequence of numpy.ndarray
        As ``recognizer.prepare`` makes them.

    Returns
    -------
    list of Scores
        In the order of the clips.
    """
    most = round(BATCH_S * recognizer.sample_rate_hz)
    scores: list[Scores | None] = [None] * len(waveforms)
    for places in batches([len(waveform_S) for waveform_S in waveforms], most):
        found = recognizer.score([waveforms[place] for place in places])
        for place, of_clip in zip(places, found, strict=True):
            scores[place] = of_clip
    return scores

"""Clips on a GPU in batches of like length, on a CPU one by one on each core."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.scores import Scores

# Padded audio of a batch on a GPU. A CPU is fastest with a batch of one: its caches hold the
# numbers of one clip, no frame is padding, and attention needs no mask.
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
    """Score clips of any lengths: on a GPU in batches, on a CPU one on each core.

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
    if recognizer.device == "cpu":
        return _on_each_core(recognizer, waveforms)
    most = round(BATCH_S * recognizer.sample_rate_hz)
    scores: list[Scores | None] = [None] * len(waveforms)
    for places in batches([len(waveform_S) for waveform_S in waveforms], most):
        found = recognizer.score([waveforms[place] for place in places])
        for place, of_clip in zip(places, found, strict=True):
            scores[place] = of_clip
    return scores


def _on_each_core(
    recognizer: EmotionRecognizer, waveforms: Sequence[np.ndarray]
) -> list[Scores]:
    """A clip at a time on every core: they wait for each other less than if they share one."""
    longest_first = sorted(range(len(waveforms)), key=lambda place: -len(waveforms[place]))
    cores = ThreadPoolExecutor(
        torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)
    )
    try:
        scoring = {
            place: cores.submit(recognizer.score, [waveforms[place]]) for place in longest_first
        }
        return [scoring[place].result()[0] for place in range(len(waveforms))]
    finally:
        cores.shutdown(cancel_futures=True)  # who interrupts does not wait for the others

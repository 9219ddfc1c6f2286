"""Scoring audio while it is heard: bounded delay, bounded memory, no look-ahead.

A source (microphone or pipe) puts samples into a :class:`Backlog`, and :func:`listen` takes
them from there into ``EmotionRecognizer.stream``. Where scoring is slower than the audio,
windows are skipped, the oldest first, and counted.

Shapes: S samples, H channels.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition

import numpy as np
import torch

from ser_brain.inference.adapting import RunningAdapter, emotion_by
from ser_brain.inference.predict import DECIMALS, RUNNING, columns
from ser_brain.inference.recognizer import EmotionRecognizer

MOST_HEARD = 500  # clips that are adapted to, so that memory does not grow
POLL_S = 0.1  # between two looks at the clock, and the length of a block of samples


class Backlog:
    """Samples that wait to be scored: at most ``most_s`` of them, the oldest are lost first.

    One thread puts them in and another takes them out. A source that delivers faster than real
    time, such as a file in a pipe, has nothing to lose and is made to wait.

    Parameters
    ----------
    rate_hz : int
    late_s : float
        Samples that have waited for longer are taken all at once.
    most_s : float
    clock : callable, optional
        Seconds, such as ``time.monotonic``; None for a recording of the past, of which nothing
        is late and nothing is lost.
    """

    def __init__(
        self,
        rate_hz: int,
        late_s: float,
        most_s: float,
        clock: Callable[[], float] | None = time.monotonic,
    ):
        self._rate_hz, self._late_s = rate_hz, late_s
        self._most, self._clock = round(most_s * rate_hz), clock
        self._blocks: deque[np.ndarray] = deque()
        self._first = self._waiting = self._lost = 0
        self._began: float | None = None  # when the first sample was heard, by the clock
        self._ended, self._error = False, None
        self._changed = Condition()

    def put(self, block: np.ndarray, may_wait: bool = False) -> None:
        """Append samples, (S,) or (S, H).

        Parameters
        ----------
        may_wait : bool
            Wait for room while the source is ahead of real time.
        """
        with self._changed:
            if self._began is None:
                self._begin(len(block))
            while may_wait and self._is_full(block) and self.delay_s(self._end) <= 0:
                self._changed.wait(POLL_S)
            while self._blocks and self._is_full(block):
                self._lost += len(self._pop())
            self._blocks.append(block)
            self._waiting += len(block)
            self._changed.notify_all()

    def end(self, error: Exception | None = None) -> None:
        """No more samples come; an error is raised where they are taken."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def take(self) -> tuple[int, np.ndarray] | None:
        """Wait for samples; None at the end.

        Returns
        -------
        lost : int
            Samples that were lost before these.
        samples : numpy.ndarray
            At most ``late_s`` of them, unless they are late: then all that wait.
        """
        with self._changed:
            if not self._blocks and not self._ended:
                self._changed.wait_for(lambda: self._blocks or self._ended)
                self._begin(self._end)  # again, since clocks drift
            if not self._blocks:
                if self._error is not None:
                    raise self._error
                return None
            lost, self._lost = self._lost, 0
            most = (
                self._most if self.delay_s(self._first) > self._late_s else self._late_samples
            )
            taken = [self._pop()]
            while self._blocks and sum(map(len, taken)) + len(self._blocks[0]) <= most:
                taken.append(self._pop())
            self._changed.notify_all()
            return lost, np.concatenate(taken)

    def delay_s(self, place: int) -> float:
        """Seconds since a sample was heard; below 0 for a source ahead of real time."""
        if self._clock is None:
            return 0.0
        return self._clock() - self._began - place / self._rate_hz

    def _begin(self, place: int) -> None:
        """The sample at a place has just been heard."""
        self._began = 0.0 if self._clock is None else self._clock() - place / self._rate_hz

    @property
    def _late_samples(self) -> int:
        return round(self._late_s * self._rate_hz)

    @property
    def _end(self) -> int:
        return self._first + self._waiting

    def _is_full(self, block: np.ndarray) -> bool:
        return self._waiting + len(block) > self._most

    def _pop(self) -> np.ndarray:
        block = self._blocks.popleft()
        self._first += len(block)
        self._waiting -= len(block)
        return block


def warm_up(recognizer: EmotionRecognizer, rate_hz: int, window_s: float, hop_s: float) -> None:
    """Make the first score as fast as the others, and choose the threads for scoring.

    One does if it keeps up with the audio: on a busy machine several threads wait for each
    other, and are many times slower. Call this in the thread that is going to score.
    """
    noise_S = np.random.default_rng(0).normal(0, 0.1, round(window_s * rate_hz))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(2):
        began = time.thread_time()  # which other programs do not lengthen
        recognizer.stream(rate_hz, window_s, hop_s).feed(noise_S)
    if time.thread_time() - began > 0.8 * hop_s:
        torch.set_num_threads(threads)


def listen(
    recognizer: EmotionRecognizer,
    backlog: Backlog,
    rate_hz: int,
    window_s: float,
    hop_s: float,
    adapt: bool = False,
) -> Iterator[dict]:
    """Score windows of a recording that is being made, each as soon as it is complete.

    Parameters
    ----------
    adapt : bool
        Adapt the emotions to what was heard so far. The model must have an adapter.

    Yields
    ------
    dict
        What ``EmotionRecognizer.stream`` gives, ``skipped`` (windows without a score since the
        one before, because there was no time), ``delay_s`` (from the end of the window to its
        score; 0 if the source is ahead of real time) and, where the emotions are adapted, the
        columns ``RUNNING`` of ``ser predict --adapt``.
    """
    running = RunningAdapter(recognizer.adapter(), MOST_HEARD) if adapt else None
    stream = recognizer.stream(rate_hz, window_s, hop_s, embedding=adapt)
    free_s, expected_s = 0.0, 0.0
    in_time = round(max(POLL_S, hop_s) * rate_hz)  # samples; the backlog gives more if late

    def with_delay(found: dict) -> dict:
        nonlocal free_s, expected_s
        if running is not None and "error" not in found:
            if found["start_s"] >= free_s:
                running.hear(np.array(found["embedding"], np.float32))
                free_s = found["stop_s"]
            found |= dict(zip(RUNNING, (running.count, found["emotion"]), strict=True))
            found |= emotion_by(running.head(), found["embedding"], recognizer.emotions)
        skipped = max(0, round((found["start_s"] - expected_s) / hop_s))
        expected_s = found["start_s"] + hop_s
        delay_s = backlog.delay_s(round(found["stop_s"] * rate_hz))
        return {**found, "skipped": skipped, "delay_s": max(0.0, delay_s)}

    while (taken := backlog.take()) is not None:
        lost, samples = taken
        if lost:
            stream.jump(lost)
        yield from map(with_delay, stream.feed(samples, latest=len(samples) > in_time))
    yield from map(with_delay, stream.finish())


def table_row(found: dict, recognizer: EmotionRecognizer) -> dict:
    """A score of :func:`listen` as a row of the table that ``ser predict`` writes."""
    values = {
        **found,
        **{f"p_{name}": p for name, p in (found["probabilities"] or {}).items()},
        "start": found["start_s"],
        "stop": found["stop_s"],
        "warnings": "; ".join(found["warnings"]),
        "delay": found["delay_s"],
    }
    adapted = RUNNING[0] in found
    names = [*columns(recognizer, adapted=adapted)[1:], "skipped", "delay"]
    return {
        name: round(values[name], DECIMALS) if isinstance(values[name], float) else values[name]
        for name in names
    }

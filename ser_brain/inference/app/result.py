"""Scoring one recording for the page, with the numbers of ``ser predict``.

Axes: N windows (or the one clip), C emotions, 2 = valence and arousal, or start and stop.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.core.tables import csv_text
from ser_brain.data import audio
from ser_brain.data.labels import DIMENSIONS, VALENCE_AROUSAL, WORD_ANGLE_DEG, rescale
from ser_brain.inference.output import LINES
from ser_brain.inference.predict import columns, predict
from ser_brain.inference.recognizer import EmotionRecognizer, Scores
from ser_brain.inference.segments import Segmentation, Skipped, merged
from ser_brain.inference.waveform import longest
from ser_brain.inference.windows import check_windows

WINDOW_S = 4.0  # for a recording that is too long to be scored as one clip
HOPS_PER_WINDOW = 2
LONGEST_S = 3600.0  # visitors wait for the page; ser predict has no limit
MIDDLE = 0.1  # of the circle's radius; closer to the middle, the direction says little

# AudioProblem's words -> what a visitor of the page can do about it.
REASONS = {
    "missing": "The recording was deleted, as all are after a while; upload it again.",
    "empty": "The file is empty.",
    "silent": "The recording is silent: nothing in it is louder than -80 dBFS. Check that the "
    "right microphone is chosen and switched on.",
    "too short": f"The recording is too short: it must last {audio.SHORTEST_S:g} s or more.",
    **dict.fromkeys(
        ("unreadable", f"unreadable: {audio.NO_AUDIO}"),
        "This file cannot be read. Use WAV, FLAC, OGG, Opus, MP3 or AIFF; convert other "
        "formats (M4A, AAC, WMA, video) first.",
    ),
    "truncated": "The file is incomplete: its header announces more than it holds.",
    "not a number": "The file holds samples that are not numbers.",
}


@dataclass(frozen=True)
class ScoredRecording:
    """A model's scores for one recording."""

    model: str
    name: str  # of the file, without folder
    duration_s: float
    window_s: float | None  # None if it was scored as one clip
    columns: list[str]
    rows: list[dict]  # those of ser predict, at least one
    skipped: list[Skipped]  # parts without a score
    emotions: list[str]
    va_range: Sequence[float] | None
    notes: list[str]  # what a reader should know about the way it was scored

    @property
    def hop_s(self) -> float | None:
        """From the start of one window to that of the next."""
        return _hop(self.window_s)

    @property
    def how(self) -> str:
        """How it was cut, in words."""
        if self.window_s is None:
            return "scored as one clip"
        if len(self.rows) == 1:
            return "scored as one window"
        each = f"{self.window_s:g} s, one every {self.hop_s:g} s"
        return f"scored in {len(self.rows):,} windows of {each}"

    @property
    def probs_NC(self) -> np.ndarray | None:
        """Probabilities of the emotions; None if the model predicts none."""
        if not self.emotions:
            return None
        return np.array([[row[f"p_{name}"] for name in self.emotions] for row in self.rows])

    @property
    def values(self) -> dict[str, np.ndarray]:
        """Dimension -> values (N,) in the model's units, of those that it predicts."""
        predicted = [name for name in DIMENSIONS if name in self.columns]
        return {name: np.array([row[name] for row in self.rows]) for name in predicted}

    @property
    def points_N2(self) -> np.ndarray | None:
        """Points on Russell's circle, of radius 1; None without valence or without arousal."""
        values = self.values
        if not all(name in values for name in VALENCE_AROUSAL):
            return None
        plane_N2 = np.stack([values[name] for name in VALENCE_AROUSAL], axis=1)
        return rescale(plane_N2, self.va_range, (-1, 1))

    @property
    def warnings(self) -> dict[str, int]:
        """Why scores may be unreliable -> in how many rows."""
        found = [text for row in self.rows for text in row["warnings"].split("; ") if text]
        return {text: found.count(text) for text in dict.fromkeys(found)}

    @property
    def spans_N2(self) -> np.ndarray:
        """Start and stop of every row in seconds."""
        return np.array([[row["start"], row["stop"]] for row in self.rows])

    def csv(self) -> str:
        """The table that ``ser predict --out`` writes."""
        return csv_text([self.columns]) + LINES[".csv"](self.rows, self.columns)


def score_recording(
    recognizer: EmotionRecognizer,
    path: Path,
    window_s: float | None,
    progress: Callable[[float], None] = lambda share: None,
) -> ScoredRecording:
    """Score a file as one clip, or in windows that overlap by half.

    Parameters
    ----------
    window_s : float or None
        None scores it as one clip if it is short enough, otherwise in windows of ``WINDOW_S``,
        with a note.
    progress : callable
        Called before each batch with the share scored so far, from 0 to 1. An error that it
        raises ends the scoring.

    Raises
    ------
    SERError
        If nothing can be scored, in words for a visitor of the page.
    """
    duration_s = _duration(path)
    longest_s = longest(recognizer.sample_rate_hz, recognizer.max_samples)
    notes = []
    if window_s is None and duration_s > longest_s:
        window_s = min(WINDOW_S, longest_s)
        notes.append(
            f"The model takes at most {longest_s:g} s as one clip, so the recording was "
            f"scored in windows of {window_s:g} s."
        )
    check_windows(window_s, _hop(window_s), recognizer)
    rows, skipped = [], []
    watched = _watched(recognizer, duration_s, window_s, progress)
    segmentation = Segmentation(window_s, _hop(window_s))
    for chunk, found in predict(watched, {path: 0}, segmentation):
        rows += [{**row, "file": path.name} for row in found]
        skipped += [replace(item, file=path.name) for item in chunk.skipped]
    if not rows:
        reason = skipped[0].reason
        raise SERError(REASONS.get(reason, reason))
    return ScoredRecording(
        recognizer.name,
        path.name,
        duration_s,
        window_s,
        columns(recognizer),
        rows,
        merged(skipped),
        recognizer.emotions,
        recognizer.va_range,
        notes,
    )


def _hop(window_s: float | None) -> float | None:
    return None if window_s is None else window_s / HOPS_PER_WINDOW


def _duration(path: Path) -> float:
    try:
        duration_s = audio.inspect(path, LONGEST_S).duration_s
    except audio.AudioProblem as problem:
        raise SERError(REASONS.get(str(problem), f"The file is {problem}.")) from None
    if duration_s > LONGEST_S:
        raise SERError(
            f"The recording lasts {duration_s / 60:.0f} minutes; this page takes "
            f"{LONGEST_S / 60:.0f}. `ser predict --window 4` scores any length."
        )
    return duration_s


def _watched(
    recognizer: EmotionRecognizer,
    duration_s: float,
    window_s: float | None,
    progress: Callable[[float], None],
) -> EmotionRecognizer:
    """The same recogniser, which reports progress before each batch."""
    overlap = 1 if window_s is None else HOPS_PER_WINDOW
    total = duration_s * overlap * recognizer.sample_rate_hz
    watched, scored, lock = copy.copy(recognizer), [0], Lock()

    def score(waveforms: Sequence[np.ndarray]) -> list[Scores]:
        with lock:  # clips are scored on several cores at once
            progress(min(1.0, scored[0] / total))
            scored[0] += sum(map(len, waveforms))
        return recognizer.score(waveforms)

    watched.score = score
    return watched


def nearest_words(valence: float, arousal: float, count: int = 3) -> list[str]:
    """Russell's words in the nearest directions, nearest first; none near the middle.

    Examples
    --------
    >>> nearest_words(-0.1, 0.8), nearest_words(0.5, -0.5), nearest_words(0.01, 0.02)
    (['alarmed', 'angry', 'tense'], ['calm', 'relaxed', 'satisfied'], [])
    """
    if math.hypot(valence, arousal) < MIDDLE:
        return []
    angle_deg = math.degrees(math.atan2(arousal, valence))

    def apart(word: str) -> float:
        turn = abs(angle_deg - WORD_ANGLE_DEG[word]) % 360
        return min(turn, 360 - turn)

    return sorted(WORD_ANGLE_DEG, key=apart)[:count]

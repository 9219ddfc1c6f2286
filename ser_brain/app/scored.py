"""A recording and what a model says of it: the numbers of ``ser predict``.

Axes: N windows (or the one clip), C emotions, 2 = valence and arousal, or start and stop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ser_brain import audio
from ser_brain.app.watched import Watched
from ser_brain.csv_text import csv_text
from ser_brain.errors import SERError
from ser_brain.inference.left_out import LeftOut, merged
from ser_brain.inference.pieces import Cutting, check_windows
from ser_brain.inference.predicting import columns, predict
from ser_brain.inference.prediction_output import LINES
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.waveform import longest

WINDOW_S = 4.0  # of a recording that is too long to be scored as one
HOPS_PER_WINDOW = 2
LONGEST_S = 3600.0  # a page that is waited for; ser predict has no limit
# What AudioProblem says, for who has just dropped a file on a page.
REASONS = {
    "missing": "The recording was deleted after a while, as all are; hand it in again.",
    "empty": "The file is empty.",
    "silent": "The recording is silent: nothing in it is louder than -80 dBFS. Was the right "
    "microphone chosen, and was it on?",
    "too short": f"The recording is too short: it must have {audio.SHORTEST_S:g} s or more.",
    "unreadable": "This file cannot be read. WAV, FLAC, OGG, Opus, MP3 and AIFF can; convert "
    "others (M4A, AAC, WMA, video) first.",
    "truncated": "The file is not complete: it ends before its header says.",
    "not a number": "The file holds samples that are no numbers.",
}


@dataclass(frozen=True)
class Scored:
    """What a model says of one recording.

    Attributes
    ----------
    model : str
        The model's name.
    name : str
        The file's name, without folder.
    duration_s : float
    window_s : float or None
        Length of the windows; None where it was scored as one clip.
    columns : list of str
    rows : list of dict
        Those of ``ser predict``, at least one; keys are ``columns``.
    left_out : list of LeftOut
        Parts without a score.
    emotions : list of str
    va_range : (float, float) or None
    notes : list of str
        What a reader should know of the way it was scored.
    """

    model: str
    name: str
    duration_s: float
    window_s: float | None
    columns: list[str]
    rows: list[dict]
    left_out: list[LeftOut]
    emotions: list[str]
    va_range: Sequence[float] | None
    notes: list[str]

    @property
    def hop_s(self) -> float | None:
        """From the start of one window to that of the next."""
        return _hop(self.window_s)

    @property
    def probs_NC(self) -> np.ndarray | None:
        """Probabilities of the emotions; None where the model has none."""
        if not self.emotions:
            return None
        return np.array([[row[f"p_{name}"] for name in self.emotions] for row in self.rows])

    @property
    def values_N2(self) -> np.ndarray | None:
        """Valence and arousal in the model's units; None where it has none."""
        if self.va_range is None:
            return None
        return np.array([[row["valence"], row["arousal"]] for row in self.rows])

    @property
    def warnings(self) -> dict[str, int]:
        """Why scores may mean little -> how many rows say so."""
        said = [text for row in self.rows for text in row["warnings"].split("; ") if text]
        return {text: said.count(text) for text in dict.fromkeys(said)}

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
) -> Scored:
    """Score a file as one clip, or in windows that overlap by half.

    Parameters
    ----------
    recognizer : EmotionRecognizer
    path : Path
    window_s : float or None
        None scores it as one clip where it is short enough, in windows of ``WINDOW_S``
        otherwise, and says so.
    progress : callable
        Is told how much has been scored, from 0 to 1, before each batch; an error that it
        raises ends the scoring.

    Raises
    ------
    SERError
        If nothing of it can be scored, in words for who knows only the page.
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
    rows, left_out = [], []
    cutting = Cutting(window_s, _hop(window_s))
    to_score_s = duration_s * (1 if window_s is None else HOPS_PER_WINDOW)
    for chunk, found in predict(Watched(recognizer, to_score_s, progress), {path: 0}, cutting):
        rows += [{**row, "file": path.name} for row in found]
        left_out += [replace(item, file=path.name) for item in chunk.left_out]
    if not rows:
        reason = left_out[0].reason
        raise SERError(REASONS.get(reason, reason))
    return Scored(
        recognizer.name,
        path.name,
        duration_s,
        window_s,
        columns(recognizer),
        rows,
        merged(left_out),
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
            f"The recording has {duration_s / 60:.0f} minutes; this page takes "
            f"{LONGEST_S / 60:.0f}. `ser predict --window 4` scores any length."
        )
    return duration_s

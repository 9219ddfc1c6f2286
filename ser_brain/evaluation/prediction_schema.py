"""From prediction rows to checked columns.

Axes: N utterances, C classes, 2 = valence and arousal.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import logsumexp

from ser_brain.core.errors import SERError

# exp(1e-3) - 1: float16 scores of a dozen classes still pass, softmax forgotten does not.
LOG_SUM_TOLERANCE = 1e-3

# Two log-probabilities nearer than this are a tie that rounding may have decided.
TIE_TOLERANCE = 1e-5
NUMBERS = (int, float, np.integer, np.floating)

# What a row may say in words; null where it does not.
FACTS = (
    "corpus",
    "speaker",
    "gender",
    "language",
    "group",
    "label_source",
    "utterance",
    "predicted_emotion",
)


@dataclass(frozen=True)
class Columns:
    """The rows of a predictions file as arrays, named as in ``predictions.Predictions``."""

    ids: list[str]
    true_N: np.ndarray
    predicted_N: np.ndarray | None
    log_probs_NC: np.ndarray | None
    true_va_N2: np.ndarray | None
    predicted_va_N2: np.ndarray | None


def columns_of(
    rows: Sequence[Mapping], emotions: Sequence[str], path: Path, scores: bool = True
) -> Columns:
    """Check rows and turn them into arrays.

    Parameters
    ----------
    rows : sequence of mapping
    emotions : sequence of str
        Class order.
    path : Path
        Where the rows stand, for the errors.
    scores : bool
        Refuse rows in which no model says anything; False for embeddings alone.

    Raises
    ------
    SERError
        Naming the line and what was expected there.
    """
    if not rows:
        raise SERError(f"No predictions in {path}: it has no line.")
    ids = _ids(rows, path)
    _check_facts(rows, path)
    index = {emotion: i for i, emotion in enumerate(emotions)}
    true_N = np.array([index.get(row["emotion"], -1) for row in rows], dtype=np.int64)
    log_probs_NC = _log_probs(rows, list(emotions), path)
    predicted_va_N2 = _numbers(rows, ("predicted_valence", "predicted_arousal"), path)
    if predicted_va_N2 is not None and np.isnan(predicted_va_N2).any():
        line = int(np.flatnonzero(np.isnan(predicted_va_N2).any(axis=1))[0]) + 1
        raise _bad_line(path, line, "lacks predicted_valence or predicted_arousal")
    if scores and log_probs_NC is None and predicted_va_N2 is None:
        raise _bad_line(path, 1, "holds neither log_probabilities nor predicted_valence")
    predicted_N = None
    if log_probs_NC is not None:
        predicted_N = _chosen(rows, log_probs_NC, index, path)
    true_va_N2 = _numbers(rows, ("valence", "arousal"), path)
    return Columns(ids, true_N, predicted_N, log_probs_NC, true_va_N2, predicted_va_N2)


def _bad_line(path: Path, line: int, what: str) -> SERError:
    return SERError(f"{path}, line {line}: {what}. Run the evaluation again.")


def _ids(rows: Sequence[Mapping], path: Path) -> list[str]:
    seen: dict[str, int] = {}
    for line, row in enumerate(rows, start=1):
        for key in ("id", "emotion"):
            if key not in row:
                raise _bad_line(path, line, f"lacks {key!r}")
        utterance_id, emotion = row["id"], row["emotion"]
        if not isinstance(utterance_id, str):
            raise _bad_line(path, line, f"id {utterance_id!r} is no string")
        if not (emotion is None or isinstance(emotion, str)):
            raise _bad_line(path, line, f"emotion {emotion!r} is neither a name nor null")
        if utterance_id in seen:
            raise _bad_line(
                path, line, f"id {utterance_id!r} was already on line {seen[utterance_id]}"
            )
        seen[utterance_id] = line
    return list(seen)


def _check_facts(rows: Sequence[Mapping], path: Path) -> None:
    """What a row may say of its utterance, where it does."""
    for line, row in enumerate(rows, start=1):
        for key in FACTS:
            if not isinstance(row.get(key), str | None):
                raise _bad_line(path, line, f"has {key} {row[key]!r}, neither text nor null")
        duration = row.get("duration")
        if duration is not None and not (
            isinstance(duration, NUMBERS)
            and not isinstance(duration, bool)
            and abs(duration) <= sys.float_info.max
        ):
            raise _bad_line(path, line, f"has duration {duration!r}, which is no number")


def _log_probs(rows: Sequence[Mapping], emotions: list[str], path: Path) -> np.ndarray | None:
    if not any("log_probabilities" in row for row in rows):
        return None
    values = []
    for line, row in enumerate(rows, start=1):
        scores = row.get("log_probabilities")
        if not isinstance(scores, Mapping):
            raise _bad_line(path, line, "has no log_probabilities, other lines do")
        if list(scores) != emotions:
            raise _bad_line(
                path,
                line,
                f"has scores for {list(scores)}, the card's class order is {emotions}",
            )
        values.append(list(scores.values()))
    log_probs_NC = _as_floats(values, "log_probabilities", path)
    bad_N = ~np.isfinite(log_probs_NC).all(axis=1)
    if bad_N.any():
        line = int(np.flatnonzero(bad_N)[0]) + 1
        raise _bad_line(path, line, "has a log-probability that is NaN or infinite")
    log_sum_N = logsumexp(log_probs_NC, axis=1)
    off_N = np.abs(log_sum_N) > LOG_SUM_TOLERANCE
    if off_N.any():
        first = int(np.flatnonzero(off_N)[0])
        total = float(np.exp(log_sum_N[first]))
        raise _bad_line(path, first + 1, f"has probabilities that sum to {total:.4g}, not 1")
    return log_probs_NC


def _chosen(
    rows: Sequence[Mapping], log_probs_NC: np.ndarray, index: Mapping[str, int], path: Path
) -> np.ndarray:
    predicted_N = log_probs_NC.argmax(axis=1)
    said = [row.get("predicted_emotion") for row in rows]
    said_N = np.array(
        [
            best if name is None else index.get(name, -1)
            for name, best in zip(said, predicted_N, strict=True)
        ]
    )
    each_N = np.arange(len(rows))
    behind_N = log_probs_NC[each_N, predicted_N] - log_probs_NC[each_N, said_N]
    wrong_N = (said_N < 0) | (behind_N > TIE_TOLERANCE)
    if wrong_N.any():
        first = int(np.flatnonzero(wrong_N)[0])
        raise _bad_line(
            path,
            first + 1,
            f"says predicted_emotion {said[first]!r}, its scores say "
            f"{list(index)[predicted_N[first]]!r}",
        )
    return said_N


def _numbers(rows: Sequence[Mapping], keys: Sequence[str], path: Path) -> np.ndarray | None:
    values = [[row.get(key) for key in keys] for row in rows]
    if all(value is None for pair in values for value in pair):
        return None
    filled = [[np.nan if value is None else value for value in pair] for pair in values]
    numbers_N2 = _as_floats(filled, " or ".join(keys), path)
    for line, (pair, numbers) in enumerate(zip(values, numbers_N2, strict=True), start=1):
        for value, number in zip(pair, numbers, strict=True):
            if value is not None and not np.isfinite(number):
                raise _bad_line(path, line, f"has {' or '.join(keys)} that is NaN or infinite")
    return numbers_N2


def _as_floats(values: list[list], what: str, path: Path) -> np.ndarray:
    try:
        numbers = np.array(values)
    except ValueError:
        numbers = np.array(None)
    if numbers.dtype.kind in "fiu":
        return numbers.astype(np.float64)
    for line, row in enumerate(values, start=1):
        for value in row:
            if isinstance(value, bool | np.bool) or not isinstance(value, NUMBERS):
                raise _bad_line(path, line, f"has {what} {value!r}, which is no number")
            if abs(value) > sys.float_info.max:  # a whole number too large for a float
                raise _bad_line(path, line, f"has {what} that is NaN or infinite")
    return np.array(values, dtype=np.float64)

"""The schema of a predictions file: from rows to checked columns.

Axes: N utterances, C classes, 2 = valence and arousal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import logsumexp

from ser_brain.core.errors import SERError

# exp(1e-3) - 1: float16 scores of a dozen classes still pass, a forgotten softmax does not.
LOG_SUM_TOLERANCE = 1e-3

# Closer log-probabilities are a tie that rounding may have decided.
TIE_TOLERANCE = 1e-5
NUMBERS = (int, float, np.integer, np.floating)

# Optional text of a row; null where it is unknown.
TEXTS = (
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
        The file, for error messages.
    scores : bool
        Whether rows without a prediction are an error; False for embeddings alone.

    Raises
    ------
    SERError
        Naming the line and what was expected.
    """
    if not rows:
        raise SERError(f"No predictions in {path}: the file has no line.")
    ids = _ids(rows, path)
    _check_facts(rows, path)
    index = {emotion: i for i, emotion in enumerate(emotions)}
    true_N = np.array([index.get(row["emotion"], -1) for row in rows], dtype=np.int64)
    log_probs_NC = _log_probs(rows, list(emotions), path)
    predicted_va_N2 = _values(rows, ("predicted_valence", "predicted_arousal"), path)
    if predicted_va_N2 is not None:
        known_N = ~np.isnan(predicted_va_N2).any(axis=1)
        _require(known_N, path, lambda _: "lacks predicted_valence or predicted_arousal")
    if scores and log_probs_NC is None and predicted_va_N2 is None:
        raise _bad_line(path, 1, "has neither log_probabilities nor predicted_valence")
    predicted_N = None
    if log_probs_NC is not None:
        predicted_N = _predicted(rows, log_probs_NC, index, path)
    true_va_N2 = _values(rows, ("valence", "arousal"), path)
    return Columns(ids, true_N, predicted_N, log_probs_NC, true_va_N2, predicted_va_N2)


def _bad_line(path: Path, line: int, what: str) -> SERError:
    return SERError(f"{path}, line {line}: {what}. Run the evaluation again.")


def _require(good_N: np.ndarray, path: Path, what: Callable[[int], str]) -> None:
    """Stop at the first row that is not good; ``what`` describes it, given its index."""
    if not good_N.all():
        first = int(np.flatnonzero(~good_N)[0])
        raise _bad_line(path, first + 1, what(first))


def _ids(rows: Sequence[Mapping], path: Path) -> list[str]:
    seen: dict[str, int] = {}
    for line, row in enumerate(rows, start=1):
        for key in ("id", "emotion"):
            if key not in row:
                raise _bad_line(path, line, f"lacks {key!r}")
        utterance_id, emotion = row["id"], row["emotion"]
        if not isinstance(utterance_id, str):
            raise _bad_line(path, line, f"id {utterance_id!r} is not a string")
        if not (emotion is None or isinstance(emotion, str)):
            raise _bad_line(path, line, f"emotion {emotion!r} is neither a name nor null")
        if utterance_id in seen:
            raise _bad_line(
                path, line, f"id {utterance_id!r} was already on line {seen[utterance_id]}"
            )
        seen[utterance_id] = line
    return list(seen)


def _check_facts(rows: Sequence[Mapping], path: Path) -> None:
    for line, row in enumerate(rows, start=1):
        for key in TEXTS:
            if not isinstance(row.get(key), str | None):
                raise _bad_line(path, line, f"has {key} {row[key]!r}, neither text nor null")
        duration = row.get("duration")
        if duration is not None and not (
            isinstance(duration, NUMBERS)
            and not isinstance(duration, bool)
            and abs(duration) <= sys.float_info.max
        ):
            raise _bad_line(path, line, f"has duration {duration!r}, which is not a number")


def _log_probs(rows: Sequence[Mapping], emotions: list[str], path: Path) -> np.ndarray | None:
    if not any("log_probabilities" in row for row in rows):
        return None
    values = []
    for line, row in enumerate(rows, start=1):
        scores = row.get("log_probabilities")
        if not isinstance(scores, Mapping):
            raise _bad_line(path, line, "has no log_probabilities, but other lines do")
        if list(scores) != emotions:
            raise _bad_line(
                path,
                line,
                f"has scores for {list(scores)}, but the card's class order is {emotions}",
            )
        values.append(list(scores.values()))
    log_probs_NC = _as_floats(values, "log_probabilities", path)
    finite_N = np.isfinite(log_probs_NC).all(axis=1)
    _require(finite_N, path, lambda _: "has a log-probability that is NaN or infinite")
    log_sum_N = logsumexp(log_probs_NC, axis=1)
    _require(
        np.abs(log_sum_N) <= LOG_SUM_TOLERANCE,
        path,
        lambda n: f"has probabilities that sum to {np.exp(log_sum_N[n]):.4g}, not 1",
    )
    return log_probs_NC


def _predicted(
    rows: Sequence[Mapping], log_probs_NC: np.ndarray, index: Mapping[str, int], path: Path
) -> np.ndarray:
    """The predicted class of each row, which must be one of the best or tied with it."""
    best_N = log_probs_NC.argmax(axis=1)
    names = [row.get("predicted_emotion") for row in rows]
    predicted_N = np.array(
        [
            best if name is None else index.get(name, -1)
            for name, best in zip(names, best_N, strict=True)
        ]
    )
    each_N = np.arange(len(rows))
    behind_N = log_probs_NC[each_N, best_N] - log_probs_NC[each_N, predicted_N]
    _require(
        (predicted_N >= 0) & (behind_N <= TIE_TOLERANCE),
        path,
        lambda n: (
            f"has predicted_emotion {names[n]!r}, but its highest score is for "
            f"{list(index)[best_N[n]]!r}"
        ),
    )
    return predicted_N


def _values(rows: Sequence[Mapping], keys: Sequence[str], path: Path) -> np.ndarray | None:
    """Two numbers of each row, NaN where one is missing; None where all are missing."""
    values = [[row.get(key) for key in keys] for row in rows]
    if all(value is None for pair in values for value in pair):
        return None
    filled = [[np.nan if value is None else value for value in pair] for pair in values]
    numbers_N2 = _as_floats(filled, " or ".join(keys), path)
    missing_N2 = np.array([[value is None for value in pair] for pair in values])
    good_N = (missing_N2 | np.isfinite(numbers_N2)).all(axis=1)
    _require(good_N, path, lambda _: f"has {' or '.join(keys)} that is NaN or infinite")
    return numbers_N2


def _as_floats(values: list[list], what: str, path: Path) -> np.ndarray:
    try:
        numbers = np.array(values)
    except ValueError:
        numbers = np.array(None)
    if numbers.dtype.kind in "fiu":
        return numbers.astype(np.float64)
    # NumPy found something else among the numbers: name the line.
    for line, row in enumerate(values, start=1):
        for value in row:
            if isinstance(value, bool | np.bool) or not isinstance(value, NUMBERS):
                raise _bad_line(path, line, f"has {what} {value!r}, which is not a number")
            if abs(value) > sys.float_info.max:  # an integer too large for a float
                raise _bad_line(path, line, f"has {what} that is NaN or infinite")
    return np.array(values, dtype=np.float64)

"""How well predicted emotions agree with given ones over the time of recordings.

The emotion diarisation error rate (Wang, Ravanelli and Yacoubi 2023, "Speech emotion
diarization: which emotion appears when?", *ASRU*, section 3) is the share of the time that is

- *missed*: emotional, but predicted as not emotional,
- *false alarm*: not emotional, but predicted as emotional,
- *confusion*: emotional, but predicted as other emotions,
- *overlap*: predicted as the right emotion and as others besides.

Neutral, the time without a segment and a refused answer are not emotional. Several emotions at
a time occur where speakers overlap; a moment of which only some are predicted counts as missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.core.tables import Table
from ser_brain.data.labels import NO_ANSWER, meant_by
from ser_brain.data.segment_tables import SegmentTable
from ser_brain.evaluation.significance import Clusters, interval, resample

Span = tuple[float, float, str]  # start and stop in seconds, emotion

NEUTRAL = "neutral"
UNEMOTIONAL = (NEUTRAL, NO_ANSWER)
ERRORS = ("missed", "false_alarm", "confusion", "overlap")
RESAMPLES = 2_000
SEED = 0


def diarization_errors(
    reference: Iterable[Span], predicted: Iterable[Span], duration_s: float
) -> dict[str, float]:
    """Seconds of each error in one recording, and ``emotional``, those of the reference.

    Examples
    --------
    >>> said = [(0.39, 1.1, "anger")]
    >>> found = diarization_errors(said, [(0, 0.6, "neutral"), (0.6, 1.22, "anger")], 1.22)
    >>> {name: round(seconds, 2) for name, seconds in found.items() if seconds}
    {'missed': 0.21, 'false_alarm': 0.12, 'emotional': 0.71}
    """
    # What begins or ends at each edge: (0 for reference or 1, emotion, step).
    changes: dict[float, list[tuple[int, str, int]]] = {0.0: [], duration_s: []}
    for who, spans in enumerate((reference, predicted)):
        for a, b, emotion in spans:
            if emotion not in UNEMOTIONAL:
                b = min(b, duration_s)
                step = int(a < b)
                changes.setdefault(a, []).append((who, emotion, step))
                changes.setdefault(b, []).append((who, emotion, -step))
    edges = sorted(changes)
    seconds = dict.fromkeys((*ERRORS, "emotional"), 0.0)
    open_spans = Counter(), Counter()
    for start, stop in zip(edges, edges[1:], strict=False):
        for who, emotion, step in changes[start]:
            open_spans[who][emotion] += step
        true, found = (set(+each) for each in open_spans)
        if true:
            seconds["emotional"] += stop - start
        kind = _error(true, found)
        if kind:
            seconds[kind] += stop - start
    return seconds


def _error(true: set[str], found: set[str]) -> str | None:
    if not true:
        return "false_alarm" if found else None
    if not found:
        return "missed"
    if not true & found:
        return "confusion"
    if found - true:
        return "overlap"
    return "missed" if true - found else None


def judge_timelines(
    rows: Sequence[Mapping], reference: SegmentTable, durations_s: Mapping[str, float]
) -> dict:
    """Compare predictions with a table of segments that has a column ``emotion``.

    Parameters
    ----------
    rows : sequence of mapping
        Of ``ser predict``: ``file``, ``start``, ``stop``, ``emotion`` and perhaps ``speaker``.
        Where two windows of a speaker overlap, each counts up to the middle.
    reference : SegmentTable
    durations_s : mapping
        Of each recording to judge, by its path.

    Returns
    -------
    dict
        ``recordings``, ``seconds``, ``eder`` as ``value`` with a bootstrap interval over
        recordings (None with fewer than five), and the share of the time of each error and of
        ``emotional``, which is the error rate of predicting neutral throughout.

    Raises
    ------
    SERError
        If the reference is of no recording, or a segment has no emotion.
    """
    classes = {row["emotion"] for row in rows} - {None}
    true = {
        str(file): _reference_spans(file, parts, classes)
        for file, parts in reference.parts.items()
    }
    files = [file for file in durations_s if file in true]
    if not files:
        raise SERError("The reference has no segment of a recording that could be scored.")
    found = _predicted_spans(rows)
    names = (*ERRORS, "emotional")
    seconds_RK = np.array(
        [
            [*of_file.values(), durations_s[file]]
            for file in files
            for of_file in [
                diarization_errors(true[file], found.get(file, []), durations_s[file])
            ]
        ]
    )
    total_K = seconds_RK.sum(axis=0)
    shares = dict(zip(names, (total_K[:-1] / total_K[-1]).tolist(), strict=True))
    recordings = Clusters(np.arange(len(files)), len(files), "recording", "")
    drawn_BK = resample(seconds_RK, recordings, RESAMPLES, np.random.default_rng(SEED))
    low, high = interval(drawn_BK[:, : len(ERRORS)].sum(axis=1) / drawn_BK[:, -1], len(files))
    value = sum(shares[name] for name in ERRORS)
    return {
        "recordings": len(files),
        "seconds": float(total_K[-1]),
        "eder": {"value": value, "low": low, "high": high},
        **shares,
    }


def timeline_table(facts: Mapping) -> Table:
    """The result of :func:`judge_timelines` for a reader."""
    caption = "Emotion diarisation error rate: the shares of the time of four errors, added."
    head = ["EDER", *(name.replace("_", " ").capitalize() for name in ERRORS)]
    cells = [facts["eder"], *(facts[name] for name in ERRORS)]
    return Table(
        "eder",
        caption,
        [*head, "All neutral", "Recordings", "Seconds"],
        [[*cells, facts["emotional"], facts["recordings"], round(facts["seconds"])]],
    )


def _reference_spans(file: object, parts: Sequence, classes: set[str]) -> list[Span]:
    spans = []
    for part in parts:
        word = part.facts["emotion"]
        if not word:
            raise SERError(
                f"The reference has no emotion for {file} from {part.start_s:g} s; write "
                "neutral, or remove the row."
            )
        spans.append((part.start_s, part.stop_s, meant_by(word, classes)))
    return spans


def _predicted_spans(rows: Sequence[Mapping]) -> dict[str, list[Span]]:
    """Recording -> its spans, those of one speaker without overlap."""
    by_voice: dict[tuple[str, str], list[Mapping]] = {}
    for row in rows:
        voice = str(row["file"]), str(row.get("speaker") or "")
        by_voice.setdefault(voice, []).append(row)
    found: dict[str, list[Span]] = {}
    for (file, _), some in by_voice.items():
        times_N2 = np.array([[float(row["start"]), float(row["stop"])] for row in some])
        order = np.lexsort(times_N2.T[::-1])
        spans_N2 = without_overlap(times_N2[order]).tolist()
        emotions = [some[n]["emotion"] for n in order]
        pairs = zip(spans_N2, emotions, strict=True)
        found.setdefault(file, []).extend((a, b, emotion) for (a, b), emotion in pairs)
    return found


def without_overlap(spans_N2: np.ndarray) -> np.ndarray:
    """Let two windows that overlap meet in the middle of what they share.

    One that lies within the one before it stays, and so does that.

    Examples
    --------
    >>> without_overlap(np.array([[0.0, 4.0], [2.0, 6.0], [8.0, 12.0]])).tolist()
    [[0.0, 3.0], [3.0, 6.0], [8.0, 12.0]]
    >>> without_overlap(np.array([[0.0, 10.0], [2.0, 4.0]])).tolist()
    [[0.0, 10.0], [2.0, 4.0]]
    """
    start_N, stop_N = spans_N2.T.copy()
    overlap = (stop_N[:-1] > start_N[1:]) & (stop_N[:-1] < stop_N[1:])
    middle = ((stop_N[:-1] + start_N[1:]) / 2)[overlap]
    stop_N[:-1][overlap] = start_N[1:][overlap] = middle
    return np.stack([start_N, stop_N], axis=1)

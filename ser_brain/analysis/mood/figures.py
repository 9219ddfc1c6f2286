"""The figures of a mood report: which there are, and how they are told without seeing.

Axes: P periods, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ser_brain.analysis.mood.analysis import TITLES, Mood
from ser_brain.analysis.mood.description import (
    BANDWIDTH,
    Affect,
    density,
    describe,
    ellipse,
    share_inside,
)
from ser_brain.analysis.mood.plots import (
    Measured,
    MoodMap,
    course,
    mood_map,
    mood_maps,
    splits,
    track,
)
from ser_brain.analysis.mood.timeline import Timeline
from ser_brain.core.tables import value_text
from ser_brain.reporting.html import ReportFigure, inlined

READING = (
    "Weighted by speaking time; Gaussian kernel, bandwidth "
    f"{BANDWIDTH:g}; cross: centroid; dashed: 80 % ellipse. Predicted affect, no diagnosis."
)


def whole(folder: Path, mood: Mood) -> ReportFigure:
    """All speech on the plane, with Russell's words."""
    stem, affect = folder / "map", mood.whole
    shown = _map(mood.timeline, np.arange(affect.pieces))
    mood_map(stem, shown, "Predicted affect", f"{mood.who}. {READING}")
    return inlined(
        stem,
        "Where the speaking time lies. The words are Russell's (1980, figure 2); they name "
        "directions of the plane, not what the person felt.",
        "Heat map on the plane of valence and arousal. Centroid: valence "
        f"{value_text(affect.valence)}, arousal {value_text(affect.arousal)}; range "
        f"{value_text(affect.range)}.",
    )


def by_period(folder: Path, mood: Mood) -> ReportFigure:
    """A small map for every period."""
    stem, periods = folder / "periods", mood.periods
    shown = {
        f"{label}\n{_spoken(affect)}": _map(mood.timeline, periods.index_N == p)
        for p, (label, affect) in enumerate(zip(periods.labels, mood.of_periods, strict=True))
    }
    mood_maps(stem, shown, f"Predicted affect by {periods.by}", f"{mood.who}. {READING}")
    return inlined(
        stem,
        f"A map for each {periods.by}, in the same colours.",
        f"{len(shown)} heat maps, one for each {periods.by}. Their numbers are in the table.",
    )


def courses(folder: Path, mood: Mood) -> list[ReportFigure]:
    """Every measure over time, and the way of the centroid."""
    stems, by = (folder / "course", folder / "track"), mood.steps.by
    words = f"{mood.who}. Bars: ±1 standard deviation within the {by}. Grey: no speech."
    if mood.change:
        words += " Lines: means of the compared periods."
    measured = _measured(mood)
    minutes_P = _values(mood.of_steps, "seconds") / 60
    over = mood.steps.starts_P, measured, minutes_P, mood.spans
    course(stems[0], *over, f"Every {by}", words)
    valence_P, arousal_P = (measured[name].values_P for name in ("Valence", "Arousal"))
    words = f"{mood.who}. From dark to light; {by}s that follow each other are joined."
    names = [label[-5:] for label in mood.steps.labels]
    track(
        stems[1],
        np.stack([valence_P, arousal_P], axis=1),
        names,
        f"Centroid of every {by}",
        words,
    )
    return [
        inlined(
            stems[0],
            f"The measures of every {by}; lines end where nothing was said.",
            f"Charts over {len(names)} {by}s. The same numbers are in {by}s.csv.",
        ),
        inlined(
            stems[1],
            f"The way of the centroid, whole and enlarged; no line crosses a silent {by}.",
            f"Path of the centroid over {len(names)} {by}s.",
        ),
    ]


def of_change(folder: Path, mood: Mood) -> list[ReportFigure]:
    """Both periods side by side, and the splits behind p."""
    if mood.change is None:
        return []
    stems, facts = (folder / "change_maps", folder / "change_splits"), mood.change.facts
    day_N = mood.timeline.local_N.astype("datetime64[D]")
    shown = {}
    for letter, (first, last) in zip("AB", mood.spans, strict=True):
        inside = [d for d in np.unique(day_N) if first <= d <= last]
        days = [describe(mood.timeline, day_N == day) for day in inside]
        counted = [[day.valence, day.arousal] for day in days if day.range is not None]
        shown[f"{letter}: {first} to {last}"] = replace(
            _map(mood.timeline, (day_N >= first) & (day_N <= last)), days_D2=np.array(counted)
        )
    words = f"{mood.who}. Dots: the days that count. {READING}"
    mood_maps(stems[0], shown, "The compared periods", words)
    outcomes = {TITLES[name].lower(): found for name, found in facts["outcomes"].items()}
    splits(
        stems[1],
        {TITLES[name].lower(): found_S for name, found_S in mood.change.differences.items()},
        {title: found["difference"] for title, found in outcomes.items()},
        {title: f"observed, p = {value_text(o['p'])}" for title, o in outcomes.items()},
        "Differences if the days had fallen otherwise",
        f"{mood.who}. {facts['splits']:,} splits of the days; p before correction.",
    )
    told = "; ".join(f"{t} {value_text(found['difference'])}" for t, found in outcomes.items())
    return [
        inlined(stems[0], "The compared periods.", "Two heat maps, one for each period."),
        inlined(
            stems[1],
            "Grey: differences when days are dealt out to the periods in every other way. "
            "Line: the observed one.",
            f"Histograms of differences under all splits. Observed: {told}.",
        ),
    ]


def _measured(mood: Mood) -> dict[str, Measured]:
    """Every measure over the steps, with the means of the compared periods."""
    found = mood.change.facts["measures"] if mood.change else {}
    means = {name: (one["a"], one["b"]) for name, one in found.items()}
    affects = mood.of_steps
    names = {"Valence": "valence", "Arousal": "arousal", "Range": "range"}
    if mood.timeline.neutral_N is not None:
        names["Neutral share"] = "neutral"
    measured = {}
    for axis, (title, name) in enumerate(names.items()):
        spread_P = _spread(affects, axis) if axis < 2 else None
        measured[title] = Measured(_values(affects, name), spread_P, means.get(name, ()))
    return measured


def _map(timeline: Timeline, chosen_N: np.ndarray) -> MoodMap:
    affect = describe(timeline, chosen_N)
    if not affect.pieces:
        return MoodMap()
    return MoodMap(
        share_inside(density(timeline.va_N2[chosen_N], timeline.seconds_N[chosen_N])),
        np.array([affect.valence, affect.arousal]),
        None if affect.covariance is None else ellipse(affect),
    )


def _spoken(affect: Affect) -> str:
    if not affect.pieces:
        return ""
    return (
        f"{affect.seconds:.0f} s" if affect.seconds < 60 else f"{affect.seconds / 60:.0f} min"
    )


def _values(affects: Sequence[Affect], name: str) -> np.ndarray:
    values = (getattr(affect, name) for affect in affects)
    return np.array([np.nan if value is None else value for value in values])


def _spread(affects: Sequence[Affect], axis: int) -> np.ndarray:
    """Standard deviations along an axis; NaN where a period is too short for one."""
    return np.array(
        [np.nan if a.covariance is None else a.covariance[axis][axis] ** 0.5 for a in affects]
    )

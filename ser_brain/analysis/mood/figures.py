"""The figures of a mood report, with captions and text alternatives.

Axes: P periods, D days, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ser_brain.analysis.mood.analysis import Mood
from ser_brain.analysis.mood.change import Span
from ser_brain.analysis.mood.description import (
    BANDWIDTH,
    Affect,
    density,
    describe,
    range_ellipse,
    share_inside,
)
from ser_brain.analysis.mood.plots import (
    Course,
    MoodMap,
    plot_courses,
    plot_map,
    plot_maps,
    plot_splits,
    plot_track,
)
from ser_brain.analysis.mood.timeline import Timeline
from ser_brain.core.tables import value_text
from ser_brain.reporting.html import ReportFigure, inlined

TITLES = {
    "centroid": "Centroid (distance)",
    "valence": "Valence",
    "arousal": "Arousal",
    "range": "Emotional range",
    "neutral": "Share of neutral",
}
LEGEND = (
    "Weighted by speaking time; Gaussian kernel, bandwidth "
    f"{BANDWIDTH:g}; cross: centroid; dashed: 80 % ellipse. Predicted affect, no diagnosis."
)


def draw_map(folder: Path, mood: Mood) -> ReportFigure:
    """All speech on the plane, with Russell's words."""
    stem, affect = folder / "map", mood.whole
    shown = _map(mood.timeline, np.arange(affect.pieces))
    plot_map(stem, shown, "Predicted affect", f"{mood.who}. {LEGEND}")
    valence, arousal, area = map(value_text, (affect.valence, affect.arousal, affect.range))
    return inlined(
        stem,
        "Where the speaking time is on the plane. The words are Russell's (1980, figure 2); "
        "they name directions of the plane, not what the person felt.",
        f"Heat map on the plane of valence and arousal. Centroid: valence {valence}, arousal "
        f"{arousal}; range {area}.",
    )


def draw_periods(folder: Path, mood: Mood) -> ReportFigure:
    """A small map for every period."""
    stem, periods = folder / "periods", mood.periods
    shown = {
        f"{label}\n{_duration(affect)}": _map(mood.timeline, periods.index_N == p)
        for p, (label, affect) in enumerate(zip(periods.labels, mood.of_periods, strict=True))
    }
    plot_maps(stem, shown, f"Predicted affect by {periods.by}", f"{mood.who}. {LEGEND}")
    return inlined(
        stem,
        f"A map for each {periods.by}, in the same colours.",
        f"{len(shown)} heat maps, one for each {periods.by}. Their numbers are in the table.",
    )


def draw_courses(folder: Path, mood: Mood) -> list[ReportFigure]:
    """Every measure over time, and the path of the centroid."""
    course_stem, track_stem, by = folder / "course", folder / "track", mood.steps.by
    subtitle = f"{mood.who}. Bars: ±1 standard deviation within the {by}. Grey: no speech."
    if mood.change:
        subtitle += " Lines: means of the compared periods."
    courses = _courses(mood)
    minutes_P = _values(mood.of_steps, "seconds") / 60
    content = mood.steps.starts_P, courses, minutes_P, mood.spans
    plot_courses(course_stem, *content, f"Every {by}", subtitle)
    centroids_P2 = np.stack([courses[n].values_P for n in ("Valence", "Arousal")], axis=1)
    names = [label[-5:] for label in mood.steps.labels]
    subtitle = f"{mood.who}. From dark to light; consecutive {by}s are joined."
    plot_track(track_stem, centroids_P2, names, f"Centroid of every {by}", subtitle)
    return [
        inlined(
            course_stem,
            f"The measures of every {by}; lines are interrupted where there is no speech.",
            f"Charts over {len(names)} {by}s. The same numbers are in {by}s.csv.",
        ),
        inlined(
            track_stem,
            f"The path of the centroid, whole and enlarged; no line crosses a silent {by}.",
            f"Path of the centroid over {len(names)} {by}s.",
        ),
    ]


def draw_change(folder: Path, mood: Mood) -> list[ReportFigure]:
    """Both periods side by side, and the splits behind p."""
    if mood.change is None:
        return []
    maps_stem, splits_stem = folder / "change_maps", folder / "change_splits"
    shown = {
        f"{letter}: {span[0]} to {span[1]}": _map_of_days(mood.timeline, span)
        for letter, span in zip("AB", mood.spans, strict=True)
    }
    subtitle = f"{mood.who}. Dots: the days that count. {LEGEND}"
    plot_maps(maps_stem, shown, "The compared periods", subtitle)
    facts = mood.change.facts
    outcomes = {TITLES[name].lower(): found for name, found in facts["outcomes"].items()}
    plot_splits(
        splits_stem,
        dict(zip(outcomes, mood.change.differences.values(), strict=True)),
        {title: found["difference"] for title, found in outcomes.items()},
        {title: f"observed, p = {value_text(found['p'])}" for title, found in outcomes.items()},
        "Differences under other splits of the days",
        f"{mood.who}. {facts['splits']:,} splits of the days; p before correction.",
    )
    observed = "; ".join(f"{t} {value_text(f['difference'])}" for t, f in outcomes.items())
    return [
        inlined(maps_stem, "The compared periods.", "Two heat maps, one for each period."),
        inlined(
            splits_stem,
            "Grey: differences when the days are split between the periods in other ways. "
            "Line: the observed one.",
            f"Histograms of differences under all splits. Observed: {observed}.",
        ),
    ]


def _map(timeline: Timeline, chosen_N: np.ndarray) -> MoodMap:
    affect = describe(timeline, chosen_N)
    if not affect.pieces:
        return MoodMap()
    return MoodMap(
        share_inside(density(timeline.va_N2[chosen_N], timeline.seconds_N[chosen_N])),
        np.array([affect.valence, affect.arousal]),
        None if affect.covariance is None else range_ellipse(affect),
    )


def _map_of_days(timeline: Timeline, span: Span) -> MoodMap:
    """The map of a compared period, with the centroids of the days that count."""
    day_N = timeline.local_N.astype("datetime64[D]")
    inside_N = (day_N >= span[0]) & (day_N <= span[1])
    days = [describe(timeline, day_N == day) for day in np.unique(day_N[inside_N])]
    centroids = [[day.valence, day.arousal] for day in days if day.range is not None]
    return replace(_map(timeline, inside_N), days_D2=np.array(centroids))


def _courses(mood: Mood) -> dict[str, Course]:
    """Every measure over the steps, with the means of the compared periods."""
    measures = mood.change.facts["measures"] if mood.change else {}
    names = {"Valence": "valence", "Arousal": "arousal", "Range": "range"}
    if mood.timeline.neutral_N is not None:
        names["Neutral share"] = "neutral"
    courses = {}
    for axis, (title, name) in enumerate(names.items()):
        means = (measures[name]["a"], measures[name]["b"]) if name in measures else ()
        spread_P = None
        if axis < 2:
            spread_P = np.array(
                [
                    a.covariance[axis][axis] ** 0.5 if a.covariance else np.nan
                    for a in mood.of_steps
                ]
            )
        courses[title] = Course(_values(mood.of_steps, name), spread_P, means)
    return courses


def _values(affects: Sequence[Affect], name: str) -> np.ndarray:
    values = (getattr(affect, name) for affect in affects)
    return np.array([np.nan if value is None else value for value in values])


def _duration(affect: Affect) -> str:
    if not affect.pieces:
        return ""
    minutes = affect.seconds / 60
    return f"{affect.seconds:.0f} s" if minutes < 1 else f"{minutes:.0f} min"

"""The figures of a mood report, with captions and text alternatives.

Axes: P periods, D days, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ser_brain.analysis.mood.analysis import Mood
from ser_brain.analysis.mood.description import (
    BANDWIDTH,
    CENTRES,
    Affect,
    density,
    describe,
    range_ellipse,
    share_inside,
)
from ser_brain.analysis.mood.timeline import Timeline
from ser_brain.analysis.plots import draw_plane
from ser_brain.core.tables import value_text
from ser_brain.reporting.html import ReportFigure, inlined
from ser_brain.reporting.plots.frame import ABOVE, BLUE, GAP, GREY, INK, VERMILLION, panels

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
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MAPS_PER_ROW = 4
DAY = np.timedelta64(86_400, "s")
COMPARED = {"a": (BLUE, "-"), "b": (VERMILLION, "--")}  # colour, dashes of each period
MOST_LABELLED = 40  # points of a track

# In points (1/72 inch): a side of the enlarged panel; a letter and a line of labels; a mark.
NEAR_PT, LETTER_PT, LINE_PT, MARK_PT = 215, 4.2, 9, 8


def draw_map(folder: Path, mood: Mood) -> ReportFigure:
    """All speech on the plane, in a large heat map with Russell's 28 words."""
    stem, affect = folder / "map", mood.whole
    with panels(stem, 1, (6.4, 5.0), "Predicted affect", f"{mood.who}. {LEGEND}") as (axes,):
        draw_plane(axes, words=True)
        heat = _draw_heat(axes, mood.timeline, np.arange(affect.pieces))
        axes.set(xlabel="Valence", ylabel="Arousal")
        _draw_colour_bar([axes], heat)
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
        f"{label}\n{_duration(affect)}": periods.index_N == p
        for p, (label, affect) in enumerate(zip(periods.labels, mood.of_periods, strict=True))
    }
    titles = f"Predicted affect by {periods.by}", f"{mood.who}. {LEGEND}"
    _draw_maps(stem, mood.timeline, shown, *titles)
    return inlined(
        stem,
        f"A map for each {periods.by}, in the same colours.",
        f"{len(shown)} heat maps, one for each {periods.by}. Their numbers are in the table.",
    )


def _draw_maps(
    stem: Path,
    timeline: Timeline,
    shown: Mapping[str, np.ndarray],
    *titles: str,
    with_days: bool = False,
) -> None:
    """Heat maps of chosen pieces side by side; ``shown`` has their heads."""
    per_row = min(MAPS_PER_ROW, max(len(shown), 2))
    size_in = (7.6 / per_row, 7.6 / per_row + 0.25)
    with panels(stem, len(shown), size_in, *titles, per_row) as grid:
        heats = []
        for n, (axes, (head, chosen_N)) in enumerate(zip(grid, shown.items(), strict=True)):
            draw_plane(axes, words=False)
            axes.set_title(head, size=8, parse_math=False)
            heats.append(_draw_heat(axes, timeline, chosen_N, with_days))
            if n + per_row >= len(shown):
                axes.set_xlabel("Valence", size=8)
            if n % per_row == 0:
                axes.set_ylabel("Arousal", size=8)
        _draw_colour_bar(grid, next(filter(None, heats)))


def _draw_heat(
    axes: Axes, timeline: Timeline, chosen_N: np.ndarray, with_days: bool = False
) -> ContourSet | None:
    """Heat, ellipse, days that count and centroid; returns the heat, for the colour bar."""
    affect = describe(timeline, chosen_N)
    if not affect.pieces:
        axes.text(0, 0, "no speech", ha="center", va="center", size=8, backgroundcolor="white")
        return None
    density_GG = density(timeline.va_N2[chosen_N], timeline.seconds_N[chosen_N])
    look = {"cmap": "YlGnBu_r", "vmin": -0.15, "zorder": 0.8}
    heat = axes.contourf(CENTRES, CENTRES, share_inside(density_GG), SHARES, **look)
    if affect.covariance is not None:
        axes.plot(*range_ellipse(affect).T, color=INK, linewidth=1.1, linestyle="--")
    if with_days:
        day_N = timeline.local_N.astype("datetime64[D]")
        days = [describe(timeline, day_N == day) for day in np.unique(day_N[chosen_N])]
        centroids = [[day.valence, day.arousal] for day in days if day.range is not None]
        look = {"color": "white", "markeredgecolor": INK, "markersize": 4}
        axes.plot(*np.transpose(centroids), "o", **look)
    look = {"color": VERMILLION, "markeredgecolor": "white", "markersize": 9, "zorder": 5}
    axes.plot(affect.valence, affect.arousal, marker="P", **look)
    return heat


def _draw_colour_bar(grid: list[Axes], heat: ContourSet) -> None:
    look = {"location": "right" if len(grid) == 1 else "bottom", "aspect": 32, "pad": 0.02}
    bar = grid[0].figure.colorbar(heat, ax=grid, shrink=0.6, **look)
    bar.set_label("Smallest area with this share of speaking time", size=8)
    bar.set_ticks([0, 0.2, 0.4, 0.6, 0.8, 0.95], labels=["0 %", "20", "40", "60", "80", "95"])
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _duration(affect: Affect) -> str:
    if not affect.pieces:
        return ""
    minutes = affect.seconds / 60
    return f"{affect.seconds:.0f} s" if minutes < 1 else f"{minutes:.0f} min"


def draw_courses(folder: Path, mood: Mood) -> list[ReportFigure]:
    """Every measure over time with the means of compared periods, and the centroid's path."""
    by, count = mood.steps.by, len(mood.of_steps)
    _draw_course(folder / "course", mood)
    _draw_track(folder / "track", mood)
    return [
        inlined(
            folder / "course",
            f"The measures of every {by}; lines are interrupted where there is no speech.",
            f"Charts over {count} {by}s. The same numbers are in {by}s.csv.",
        ),
        inlined(
            folder / "track",
            f"The path of the centroid, whole and enlarged; no line crosses a silent {by}.",
            f"Path of the centroid over {count} {by}s.",
        ),
    ]


def _draw_course(stem: Path, mood: Mood) -> None:
    """Measures over time, and below them the speaking time; silent periods are grey."""
    by, starts_P = mood.steps.by, mood.steps.starts_P
    subtitle = f"{mood.who}. Bars: ±1 standard deviation within the {by}. Grey: no speech."
    if mood.change:
        subtitle += " Lines: means of the compared periods."
    names = {"Valence": "valence", "Arousal": "arousal", "Range": "range"}
    if mood.timeline.neutral_N is not None:
        names["Neutral share"] = "neutral"
    step = np.timedelta64(1, np.datetime_data(starts_P.dtype)[0]).astype("timedelta64[s]")
    # A day is drawn around its date, an hour from one full hour to the next.
    early = step / 2 if step == DAY else 0 * step
    edges_P = starts_P - early
    middles_P = edges_P + step / 2
    minutes_P = _values(mood.of_steps, "seconds") / 60
    titles = f"Every {by}", subtitle
    with panels(stem, len(names) + 1, (7.2, 1.35), *titles, per_row=1) as grid:
        for n, (axes, (title, name)) in enumerate(zip(grid, names.items(), strict=False)):
            values_P = _values(mood.of_steps, name)
            if n < 2:
                squares = [
                    a.covariance[n][n] if a.covariance else np.nan for a in mood.of_steps
                ]
                look = {"fmt": "none", "ecolor": "#B5B5B5", "elinewidth": 2}
                axes.errorbar(middles_P, values_P, np.sqrt(squares), **look)
                axes.axhline(0, color=GREY, linewidth=0.5)
                axes.set_ylim(-1, 1)
            else:
                axes.set_ylim(0, 1.12 * np.nanmax(values_P, initial=0) or 1)
            axes.plot(middles_P, values_P, "o-", color=INK, markersize=3.5, linewidth=1)
            measure = mood.change.facts["measures"].get(name) if mood.change else None
            if measure:
                compared = zip(mood.spans, COMPARED.items(), strict=True)
                for (first, last), (period, (colour, dashes)) in compared:
                    ends = first - early, last + DAY - early
                    look = {"color": colour, "linestyle": dashes, "linewidth": 1.6}
                    axes.hlines(measure[period], *ends, **look)
            axes.set_ylabel(title, size=8)
        grid[-1].bar(middles_P, minutes_P, width=0.8 * step, color=GREY)
        grid[-1].set_ylabel("Speech (min)", size=8)
        for axes in grid:
            for edge in edges_P[minutes_P == 0]:
                axes.axvspan(edge, edge + step, color=GAP, linewidth=0, zorder=0)
            axes.set_xlim(edges_P[0], edges_P[-1] + step)
            locator = AutoDateLocator(maxticks=10)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
            axes.tick_params(labelbottom=axes is grid[-1], labelsize=8)
        grid[0].figure.align_ylabels(grid)


def draw_baseline(folder: Path, mood: Mood) -> list[ReportFigure]:
    """Every day's measures and what was to be expected; none without a baseline."""
    if not (mood.baseline and mood.baseline["rows"]):
        return []
    rows, stem = mood.baseline["rows"], folder / "baseline"
    day_D = np.array([row["day"] for row in rows], "datetime64[D]")
    names = list(rows[0]["measures"])
    titles = (
        "Compared with the person's own days before",
        f"{mood.who}. Band: what was to be expected. Grey dots: baseline. Red: outside it.",
    )
    with panels(stem, len(names), (7.2, 1.35), *titles, per_row=1) as grid:
        for axes, name in zip(grid, names, strict=True):
            value_D, low_D, high_D = (
                np.array([row["measures"][name][key] for row in rows], float)
                for key in ("value", "low", "high")
            )
            look = {"color": BLUE, "alpha": 0.2, "linewidth": 0, "step": "mid"}
            axes.fill_between(day_D, low_D, high_D, **look)
            axes.plot(day_D, value_D, "-", color=GREY, linewidth=0.6)
            outside_D = (value_D < low_D) | (
                value_D > high_D
            )  # false where nothing is expected
            colours = [
                VERMILLION if outside else GREY if row["baseline"] else INK
                for outside, row in zip(outside_D, rows, strict=True)
            ]
            axes.scatter(day_D, value_D, c=colours, s=14, zorder=3)
            axes.set_ylabel(TITLES[name].replace("Emotional range", "Range"), size=8)
            locator = AutoDateLocator(maxticks=10)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
            axes.tick_params(labelbottom=axes is grid[-1], labelsize=8)
        grid[0].figure.align_ylabels(grid)
    facts = mood.baseline
    return [
        inlined(
            stem,
            "Days beside what the days before them predict. The numbers are in baseline.csv.",
            f"Charts of {len(names)} measures over {len(rows)} days; {facts['unusual']} of "
            f"{facts['judged']} judged days are unusual.",
        )
    ]


def _values(affects: Sequence[Affect], name: str) -> np.ndarray:
    values = (getattr(affect, name) for affect in affects)
    return np.array([np.nan if value is None else value for value in values])


def _draw_track(stem: Path, mood: Mood) -> None:
    """The path of the centroid, on the whole plane and enlarged, with names at its points."""
    by, names = mood.steps.by, [label[-5:] for label in mood.steps.labels]
    axes_P = [_values(mood.of_steps, name) for name in ("valence", "arousal")]
    centroids_P2 = np.stack(axes_P, axis=1)  # NaN interrupts the line
    low_2, high_2 = np.nanmin(centroids_P2, axis=0), np.nanmax(centroids_P2, axis=0)
    middle_2 = (low_2 + high_2) / 2
    half = max(0.62 * float((high_2 - low_2).max()), 0.05)
    subtitle = f"{mood.who}. From dark to light; consecutive {by}s are joined."
    titles = f"Centroid of every {by}", subtitle
    with panels(stem, 2, (3.7, 3.5), *titles) as (whole, near):
        draw_plane(whole, words=False)
        frame = Rectangle(middle_2 - half, 2 * half, 2 * half, fill=False, edgecolor=INK)
        whole.add_patch(frame)
        whole.set(xlabel="Valence", ylabel="Arousal")
        near.set(xlim=middle_2[0] + [-half, half], ylim=middle_2[1] + [-half, half])
        near.set(xlabel="Valence, enlarged", ylabel="Arousal, enlarged", aspect="equal")
        near.axhline(0, color=GREY, linewidth=0.5)
        near.axvline(0, color=GREY, linewidth=0.5)
        order_P = np.arange(len(centroids_P2))
        look = {"cmap": "cividis", "zorder": 3, "linewidths": 0.4, "edgecolors": INK}
        for axes, size in ((whole, 8), (near, 34)):
            axes.plot(*centroids_P2.T, color=GREY, linewidth=0.9, zorder=2)
            axes.scatter(*centroids_P2.T, c=order_P, s=size, **look)
        if len(names) <= MOST_LABELLED:
            known = np.flatnonzero(np.isfinite(centroids_P2[:, 0]))
            pt_per_unit = NEAR_PT / (2 * half)
            _draw_labels(near, centroids_P2[known], [names[p] for p in known], pt_per_unit)


def _draw_labels(
    axes: Axes, points_P2: np.ndarray, names: Sequence[str], pt_per_unit: float
) -> None:
    widths = [LETTER_PT * len(name) for name in names]
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.4, "shrinkA": 0}
    halo = [withStroke(linewidth=1.5, foreground="white")]
    look = {"ha": "center", "va": "center", "size": 7, "arrowprops": line, "path_effects": halo}
    offsets_P2 = label_offsets(points_P2 * pt_per_unit, widths)
    for name, point_2, offset_2 in zip(names, points_P2, offsets_P2, strict=True):
        axes.annotate(name, point_2, offset_2, textcoords="offset points", **look)


def label_offsets(points_P2: np.ndarray, width_P: Sequence[float]) -> np.ndarray:
    """From each point to the middle of its label, so that none covers another or a point.

    Each label takes the nearest free place or, where none is free, the one that covers least.
    All lengths are in points (1/72 inch).
    """
    angles = np.radians([35, 145, -35, -145, 90, -90, 0, 180])
    directions_A2 = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    taken = [(*point, MARK_PT, MARK_PT) for point in points_P2]
    found = []
    for point_2, width in zip(points_P2, width_P, strict=True):
        half_2 = np.array([width, LINE_PT]) / 2
        tried = [
            direction_2 * (half_2 + MARK_PT / 2 + away)
            for away in range(0, 60, 6)
            for direction_2 in directions_A2
        ]
        covered = [_covered((*(point_2 + one), width, LINE_PT), taken) for one in tried]
        best = tried[int(np.argmin(covered))]
        taken.append((*(point_2 + best), width, LINE_PT))
        found.append(best)
    return np.reshape(found, (-1, 2))


def _covered(box: tuple[float, ...], taken: Sequence[tuple[float, ...]]) -> float:
    """Area that a box (middle, width, height) shares with others."""
    x, y, width, height = box
    x_K, y_K, width_K, height_K = np.transpose(taken)
    wide_K = (width + width_K) / 2 - np.abs(x - x_K)
    high_K = (height + height_K) / 2 - np.abs(y - y_K)
    return float(np.sum(np.clip(wide_K, 0, None) * np.clip(high_K, 0, None)))


def draw_change(folder: Path, mood: Mood) -> list[ReportFigure]:
    """Both periods side by side, and each outcome's difference under every split of the days.

    None where no periods are compared.
    """
    if mood.change is None:
        return []
    facts, day_N = mood.change.facts, mood.timeline.local_N.astype("datetime64[D]")
    shown = {
        f"{letter}: {first} to {last}": (day_N >= first) & (day_N <= last)
        for letter, (first, last) in zip("AB", mood.spans, strict=True)
    }
    titles = "The compared periods", f"{mood.who}. Dots: the days that count. {LEGEND}"
    _draw_maps(folder / "change_maps", mood.timeline, shown, *titles, with_days=True)
    title = "Differences under other splits of the days"
    subtitle = f"{mood.who}. {facts['splits']:,} splits of the days; p before correction."
    differences, observed = mood.change.differences, []
    stem = folder / "change_splits"
    with panels(stem, len(differences), (2.6, 2.3), title, subtitle) as grid:
        for axes, (name, difference_S) in zip(grid, differences.items(), strict=True):
            found, what = facts["outcomes"][name], TITLES[name].lower()
            axes.hist(difference_S, 40, color="#BDBDBD")
            look = {"color": VERMILLION, "linewidth": 1.8}
            note = f"observed, p = {value_text(found['p'])}"
            axes.axvline(found["difference"], label=note, **look)
            axes.set(xlabel=f"Difference of {what}", ylabel="Splits of the days")
            axes.legend(**ABOVE)
            observed.append(f"{what} {value_text(found['difference'])}")
    return [
        inlined(
            folder / "change_maps",
            "The compared periods.",
            "Two heat maps, one for each period.",
        ),
        inlined(
            stem,
            "Grey: differences when the days are split between the periods in other ways. "
            "Line: the observed one.",
            f"Histograms of differences under all splits. Observed: {'; '.join(observed)}.",
        ),
    ]

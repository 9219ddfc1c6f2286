"""The drawings of a mood report: maps, courses, tracks, splits.

Every ``plot_`` function writes the files ``<stem>.*`` of one figure; its ``titles`` are title
and subtitle.

Axes: G cells of the grid per side, K points of a curve, P periods, D days, S splits,
2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ser_brain.analysis.mood.change import Span
from ser_brain.analysis.mood.description import CENTRES
from ser_brain.analysis.plots import draw_plane
from ser_brain.reporting.plots.frame import ABOVE, BLUE, GAP, GREY, INK, VERMILLION, panels

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MAPS_PER_ROW = 4
DAY = np.timedelta64(86_400, "s")
COMPARED = ((BLUE, "-"), (VERMILLION, "--"))  # colour, dashes of the two compared periods
MOST_LABELLED = 40  # points of a track

# In points (1/72 inch): a side of the enlarged panel; a letter and a line of labels; a mark.
NEAR_PT, LETTER_PT, LINE_PT, MARK_PT = 215, 4.2, 9, 8


@dataclass(frozen=True)
class MoodMap:
    """The content of one map; without speech, nothing."""

    share_GG: np.ndarray | None = None  # see description.share_inside
    centroid_2: np.ndarray | None = None
    ellipse_K2: np.ndarray | None = None
    days_D2: np.ndarray | None = None  # centroids of days


def plot_map(stem: Path, shown: MoodMap, *titles: str) -> None:
    """One large heat map with Russell's 28 words around the circle."""
    with panels(stem, 1, (6.4, 5.0), *titles) as (axes,):
        draw_plane(axes, words=True)
        heat = _draw_map(axes, shown)
        axes.set(xlabel="Valence", ylabel="Arousal")
        _draw_colour_bar([axes], heat)


def plot_maps(stem: Path, shown: Mapping[str, MoodMap], *titles: str) -> None:
    """Small heat maps side by side, one for each period; ``shown`` maps heads to maps."""
    per_row = min(MAPS_PER_ROW, max(len(shown), 2))
    size_in = (7.6 / per_row, 7.6 / per_row + 0.25)
    with panels(stem, len(shown), size_in, *titles, per_row) as grid:
        heats = []
        for n, (axes, (head, one)) in enumerate(zip(grid, shown.items(), strict=True)):
            draw_plane(axes, words=False)
            axes.set_title(head, size=8, parse_math=False)
            heats.append(_draw_map(axes, one))
            if n + per_row >= len(shown):
                axes.set_xlabel("Valence", size=8)
            if n % per_row == 0:
                axes.set_ylabel("Arousal", size=8)
        _draw_colour_bar(grid, next(filter(None, heats)))


def _draw_map(axes: Axes, shown: MoodMap) -> ContourSet | None:
    """Heat, ellipse, days and centroid; returns the heat, for the colour bar."""
    if shown.share_GG is None:
        axes.text(0, 0, "no speech", ha="center", va="center", size=8, backgroundcolor="white")
        return None
    look = {"cmap": "YlGnBu_r", "vmin": -0.15, "zorder": 0.8}
    heat = axes.contourf(CENTRES, CENTRES, shown.share_GG, SHARES, **look)
    if shown.ellipse_K2 is not None:
        axes.plot(*shown.ellipse_K2.T, color=INK, linewidth=1.1, linestyle="--")
    if shown.days_D2 is not None:
        axes.plot(*shown.days_D2.T, "o", color="white", markeredgecolor=INK, markersize=4)
    look = {"color": VERMILLION, "markeredgecolor": "white", "markersize": 9, "zorder": 5}
    axes.plot(*shown.centroid_2, marker="P", **look)
    return heat


def _draw_colour_bar(grid: list[Axes], heat: ContourSet) -> None:
    look = {"location": "right" if len(grid) == 1 else "bottom", "aspect": 32, "pad": 0.02}
    bar = grid[0].figure.colorbar(heat, ax=grid, shrink=0.6, **look)
    bar.set_label("Smallest area with this share of speaking time", size=8)
    bar.set_ticks([0, 0.2, 0.4, 0.6, 0.8, 0.95], labels=["0 %", "20", "40", "60", "80", "95"])
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


@dataclass(frozen=True)
class Course:
    """One measure over the periods."""

    values_P: np.ndarray  # NaN where there is none
    spread_P: np.ndarray | None = None  # standard deviation within each period
    means: tuple[float, ...] = ()  # of the compared periods; empty where none are compared


def plot_courses(
    stem: Path,
    starts_P: np.ndarray,
    courses: Mapping[str, Course],
    minutes_P: np.ndarray,
    spans: Sequence[Span],
    *titles: str,
) -> None:
    """Measures over time, and below them the speaking time; silent periods are grey.

    Parameters
    ----------
    stem : Path
    starts_P : ndarray of datetime64[D] or datetime64[h]
    courses : mapping
        Name -> course.
    minutes_P : ndarray
        Speaking time.
    spans : sequence of (first, last)
        The compared periods, or none.
    """
    step = np.timedelta64(1, np.datetime_data(starts_P.dtype)[0]).astype("timedelta64[s]")
    # A day is drawn around its date, an hour from one full hour to the next.
    early = step / 2 if step == DAY else 0 * step
    edges_P = starts_P - early
    middles_P = edges_P + step / 2
    with panels(stem, len(courses) + 1, (7.2, 1.35), *titles, per_row=1) as grid:
        for axes, (name, course) in zip(grid, courses.items(), strict=False):
            _draw_course(axes, middles_P, course)
            for (first, last), mean, (colour, dashes) in zip(
                spans, course.means, COMPARED, strict=False
            ):
                ends = first - early, last + DAY - early
                axes.hlines(mean, *ends, color=colour, linestyle=dashes, linewidth=1.6)
            axes.set_ylabel(name, size=8)
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


def _draw_course(axes: Axes, times_P: np.ndarray, course: Course) -> None:
    if course.spread_P is None:
        axes.set_ylim(0, 1.12 * np.nanmax(course.values_P, initial=0) or 1)
    else:
        look = {"fmt": "none", "ecolor": "#B5B5B5", "elinewidth": 2}
        axes.errorbar(times_P, course.values_P, course.spread_P, **look)
        axes.axhline(0, color=GREY, linewidth=0.5)
        axes.set_ylim(-1, 1)
    axes.plot(times_P, course.values_P, "o-", color=INK, markersize=3.5, linewidth=1)


def plot_track(
    stem: Path, centroids_P2: np.ndarray, names: Sequence[str], *titles: str
) -> None:
    """The path of the centroid, on the whole plane and enlarged, with names at its points.

    Centroids are NaN where there is no speech; the line is interrupted there.
    """
    low_2, high_2 = np.nanmin(centroids_P2, axis=0), np.nanmax(centroids_P2, axis=0)
    middle_2 = (low_2 + high_2) / 2
    half = max(0.62 * float((high_2 - low_2).max()), 0.05)
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
    """Places for labels next to their points where none covers another or a point.

    Each label takes the nearest free place or, where none is free, the one that covers least.
    All lengths are in points (1/72 inch).

    Returns
    -------
    ndarray
        From each point to the middle of its label, shape (P, 2).
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


def plot_splits(
    stem: Path,
    differences: Mapping[str, np.ndarray],
    observed: Mapping[str, float],
    notes: Mapping[str, str],
    *titles: str,
) -> None:
    """Histograms of each outcome's difference under every split, and the observed one.

    ``notes`` label the observed difference of each outcome.
    """
    with panels(stem, len(differences), (2.6, 2.3), *titles) as grid:
        for axes, (name, difference_S) in zip(grid, differences.items(), strict=True):
            axes.hist(difference_S, 40, color="#BDBDBD")
            axes.axvline(observed[name], color=VERMILLION, linewidth=1.8, label=notes[name])
            axes.set(xlabel=f"Difference of {name}", ylabel="Splits of the days")
            axes.legend(**ABOVE)

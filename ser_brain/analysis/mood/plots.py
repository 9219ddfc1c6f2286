"""Heat maps of a person's predicted affect on the valence-arousal plane.

Axes: G cells of the grid a side, K points of a curve, D days, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke

from ser_brain.analysis.mood.description import CENTRES
from ser_brain.data.labels import WORD_ANGLE_DEG, spread
from ser_brain.reporting.plots.frame import ABOVE, BLUE, GAP, GREY, INK, VERMILLION, panels

# Four of the eight concepts that lie every 45 degrees (Russell 1980, figure 1).
POLES = {"pleasure": (1, 0), "arousal": (0, 1), "misery": (-1, 0), "sleepiness": (0, -1)}
LABELS_AT = 1.2  # Radius on which words stand,
APART = 0.125  # and how far below each other, in units of the plane.
BESIDE = 0.09  # How near to the vertical axis a word may stand.


def draw_plane(axes: Axes, words: bool) -> None:
    """Circle, axes and words.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    words : bool
        All 28 words, for a large panel; otherwise the four poles.
    """
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=GREY, linewidth=0.8, zorder=1))
    axes.plot([-1, 1], [0, 0], color=GREY, linewidth=0.5, zorder=0.5)
    axes.plot([0, 0], [-1, 1], color=GREY, linewidth=0.5, zorder=0.5)
    axes.set(aspect="equal")
    if words:
        axes.set(xlim=(-1.72, 1.72), ylim=(-1.45, 1.45))
        for side, set_ticks in (("bottom", axes.set_xticks), ("left", axes.set_yticks)):
            set_ticks([-1, 0, 1], ["−1", "0", "1"])
            axes.spines[side].set_bounds(-1, 1)
        for side in (-1, 1):
            _words_beside(axes, side)
    else:
        axes.set(xlim=(-1.22, 1.22), ylim=(-1.22, 1.22), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        for word, (x, y) in POLES.items():
            text = {"rotation": 90 * x, "size": 6, "color": GREY}
            axes.text(1.1 * x, 1.1 * y, word, ha="center", va="center", **text)


def _words_beside(axes: Axes, side: int) -> None:
    """The words left (-1) or right (1) of the circle, each tied to its place on it."""
    places = {
        word: (np.cos(np.radians(angle)), np.sin(np.radians(angle)))
        for word, angle in WORD_ANGLE_DEG.items()
    }
    upwards = sorted((y, x, word) for word, (x, y) in places.items() if side * x > 0)
    heights = spread([LABELS_AT * y for y, _, _ in upwards], APART)
    for (y, x, word), height in zip(upwards, heights, strict=True):
        beside = side * max(np.sqrt(max(LABELS_AT**2 - height**2, 0)), BESIDE)
        axes.plot([x, beside], [y, height], color=GREY, linewidth=0.5, zorder=1)
        axes.plot(x, y, "o", color=GREY, markersize=2, zorder=1)
        axes.text(
            beside + 0.03 * side,
            height,
            word,
            ha="left" if side > 0 else "right",
            va="center",
            size=7.5,
            color=INK,
        )


SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
PER_ROW = 4


@dataclass(frozen=True)
class MoodMap:
    """What one panel shows.

    Attributes
    ----------
    share_GG : ndarray or None
        See :func:`~ser_brain.analysis.mood.description.share_inside`; None without answers.
    centroid_2 : ndarray or None
    ellipse_K2 : ndarray or None
    days_D2 : ndarray or None
        Centroids of days.
    """

    share_GG: np.ndarray | None = None
    centroid_2: np.ndarray | None = None
    ellipse_K2: np.ndarray | None = None
    days_D2: np.ndarray | None = None


def mood_map(stem: str | Path, shown: MoodMap, title: str, subtitle: str) -> None:
    """One large heat map with Russell's 28 words around the circle."""
    with panels(stem, 1, (6.4, 5.0), title, subtitle) as (axes,):
        draw_plane(axes, words=True)
        heat = _draw(axes, shown)
        axes.set(xlabel="Valence", ylabel="Arousal")
        _colour_bar([axes], heat)


def mood_maps(
    stem: str | Path, shown: Mapping[str, MoodMap], title: str, subtitle: str
) -> None:
    """Small heat maps side by side, one for each period.

    Parameters
    ----------
    shown : mapping
        Heading -> map.
    """
    per_row = min(PER_ROW, max(len(shown), 2))
    size_in = (7.6 / per_row, 7.6 / per_row + 0.25)
    with panels(stem, len(shown), size_in, title, subtitle, per_row) as grid:
        heats = []
        for n, (axes, (heading, one)) in enumerate(zip(grid, shown.items(), strict=True)):
            draw_plane(axes, words=False)
            axes.set_title(heading, size=8, parse_math=False)
            heats.append(_draw(axes, one))
            if n + per_row >= len(shown):
                axes.set_xlabel("Valence", size=8)
            if n % per_row == 0:
                axes.set_ylabel("Arousal", size=8)
        _colour_bar(grid, next(filter(None, heats)))


def _draw(axes: Axes, shown: MoodMap) -> ContourSet | None:
    """Heat, ellipse, days and centroid; the heat, for the colour bar."""
    if shown.share_GG is None:
        axes.text(0, 0, "no speech", ha="center", va="center", size=8, backgroundcolor="white")
        return None
    heat = axes.contourf(
        CENTRES, CENTRES, shown.share_GG, SHARES, cmap="YlGnBu_r", vmin=-0.15, zorder=0.8
    )
    if shown.ellipse_K2 is not None:
        axes.plot(*shown.ellipse_K2.T, color=INK, linewidth=1.1, linestyle="--")
    if shown.days_D2 is not None:
        axes.plot(*shown.days_D2.T, "o", color="white", markeredgecolor=INK, markersize=4)
    axes.plot(
        *shown.centroid_2,
        marker="P",
        color=VERMILLION,
        markeredgecolor="white",
        markersize=9,
        zorder=5,
    )
    return heat


def _colour_bar(grid: list[Axes], heat: ContourSet) -> None:
    where = "right" if len(grid) == 1 else "bottom"
    bar = grid[0].figure.colorbar(
        heat, ax=grid, location=where, shrink=0.6, aspect=32, pad=0.02
    )
    bar.set_label("Smallest area with this share of speaking time", size=8)
    bar.set_ticks([0, 0.2, 0.4, 0.6, 0.8, 0.95], labels=["0 %", "20", "40", "60", "80", "95"])
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


DAY = np.timedelta64(86_400, "s")

# First and second of two compared periods: colour, dashes.
COMPARED = ((BLUE, "-"), (VERMILLION, "--"))
MOST_NUMBERED = 40

# In points (1/72 inch): a side of the enlarged panel; a letter and a line of labels; a mark.
NEAR_PT, LETTER_PT, LINE_PT, MARK_PT = 215, 4.2, 9, 8


@dataclass(frozen=True)
class Measured:
    """One quantity over the periods.

    Attributes
    ----------
    values_P : ndarray
        NaN where there is none.
    spread_P : ndarray or None
        Standard deviation within each period.
    means : tuple of float
        Of the compared periods; empty where none are compared.
    """

    values_P: np.ndarray
    spread_P: np.ndarray | None = None
    means: tuple[float, ...] = ()


def course(
    stem: str | Path,
    starts_P: np.ndarray,
    measured: Mapping[str, Measured],
    minutes_P: np.ndarray,
    spans: Sequence[tuple[np.datetime64, np.datetime64]],
    title: str,
    subtitle: str,
) -> None:
    """Quantities over time, one panel below the other; lines end where nothing was said.

    Parameters
    ----------
    starts_P : ndarray of datetime64[D] or datetime64[h]
    measured : mapping
        Name -> values.
    minutes_P : ndarray
        Speaking time.
    spans : sequence of (first, last)
        The compared periods, or none.
    """
    step = np.timedelta64(1, np.datetime_data(starts_P.dtype)[0]).astype("timedelta64[s]")
    # A day is drawn around its date, an hour from one full hour to the next.
    early = step / 2 if step == DAY else 0 * step
    edges_P = starts_P - early
    with panels(stem, len(measured) + 1, (7.2, 1.35), title, subtitle, per_row=1) as grid:
        for axes, (name, one) in zip(grid, measured.items(), strict=False):
            _line(axes, edges_P + step / 2, one)
            for (first, last), mean, (colour, dashes) in zip(
                spans, one.means, COMPARED, strict=False
            ):
                ends = first - early, last + DAY - early
                axes.hlines(mean, *ends, color=colour, linestyle=dashes, linewidth=1.6)
            axes.set_ylabel(name, size=8)
        grid[-1].bar(edges_P + step / 2, minutes_P, width=0.8 * step, color=GREY)
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


def _line(axes: Axes, times_P: np.ndarray, one: Measured) -> None:
    if one.spread_P is not None:
        bars = {"fmt": "none", "ecolor": "#B5B5B5", "elinewidth": 2}
        axes.errorbar(times_P, one.values_P, one.spread_P, **bars)
        axes.axhline(0, color=GREY, linewidth=0.5)
        axes.set_ylim(-1, 1)
    else:
        axes.set_ylim(0, 1.12 * np.nanmax(one.values_P, initial=0) or 1)
    axes.plot(times_P, one.values_P, "o-", color=INK, markersize=3.5, linewidth=1)


def track(
    stem: str | Path, centroids_P2: np.ndarray, names: Sequence[str], title: str, subtitle: str
) -> None:
    """The way of the centroid over the plane; it breaks off where nothing was said.

    Parameters
    ----------
    centroids_P2 : ndarray
        NaN where nothing was said.
    names : sequence of str
        What stands beside each point.
    """
    low_2 = np.nanmin(centroids_P2, axis=0)
    high_2 = np.nanmax(centroids_P2, axis=0)
    middle_2 = (low_2 + high_2) / 2
    half = max(0.62 * float((high_2 - low_2).max()), 0.05)
    with panels(stem, 2, (3.7, 3.5), title, subtitle) as (whole, near):
        draw_plane(whole, words=False)
        corner = middle_2 - half
        whole.add_patch(Rectangle(corner, 2 * half, 2 * half, fill=False, edgecolor=INK))
        whole.set(xlabel="Valence", ylabel="Arousal")
        near.set(
            xlim=middle_2[0] + [-half, half],
            ylim=middle_2[1] + [-half, half],
            aspect="equal",
            xlabel="Valence, enlarged",
            ylabel="Arousal, enlarged",
        )
        near.axhline(0, color=GREY, linewidth=0.5)
        near.axvline(0, color=GREY, linewidth=0.5)
        for axes, size in ((whole, 8), (near, 34)):
            axes.plot(*centroids_P2.T, color=GREY, linewidth=0.9, zorder=2)
            order_P = np.arange(len(centroids_P2))
            look = {"cmap": "cividis", "zorder": 3, "linewidths": 0.4, "edgecolors": INK}
            axes.scatter(*centroids_P2.T, c=order_P, s=size, **look)
        if len(names) <= MOST_NUMBERED:
            said_P = np.isfinite(centroids_P2[:, 0])
            points_P2 = centroids_P2[said_P] * NEAR_PT / (2 * half)
            said = [name for name, said in zip(names, said_P, strict=True) if said]
            offsets_P2 = label_offsets(points_P2, [LETTER_PT * len(name) for name in said])
            for name, at, offset in zip(said, centroids_P2[said_P], offsets_P2, strict=True):
                near.annotate(
                    name,
                    at,
                    offset,
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    size=7,
                    arrowprops={
                        "arrowstyle": "-",
                        "color": GREY,
                        "linewidth": 0.4,
                        "shrinkA": 0,
                    },
                    path_effects=[withStroke(linewidth=1.5, foreground="white")],
                )


def label_offsets(points_P2: np.ndarray, width_P: Sequence[float]) -> np.ndarray:
    """Where labels stand beside their points so that none covers another or a point.

    Parameters
    ----------
    points_P2 : ndarray
        In points (1/72 inch).
    width_P : sequence of float
        Of each label, in points.

    Returns
    -------
    ndarray, shape (P, 2)
        From each point to the middle of its label. The nearest place that is free; where none
        is, the one that covers least.
    """
    turns = np.radians([35, 145, -35, -145, 90, -90, 0, 180])
    around_A2 = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    taken = [(*point, MARK_PT, MARK_PT) for point in points_P2]
    found = []
    for point_2, width in zip(points_P2, width_P, strict=True):
        half_2 = np.array([width, LINE_PT]) / 2
        tried = [
            direction_2 * (half_2 + MARK_PT / 2 + away)
            for away in range(0, 60, 6)
            for direction_2 in around_A2
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


def splits(
    stem: str | Path,
    differences: Mapping[str, np.ndarray],
    observed: Mapping[str, float],
    notes: Mapping[str, str],
    title: str,
    subtitle: str,
) -> None:
    """The difference under every way to deal the days out, and the observed one.

    Parameters
    ----------
    differences : mapping
        Outcome -> shape (S,).
    observed : mapping
        Outcome -> difference.
    notes : mapping
        Outcome -> its p.
    """
    with panels(stem, len(differences), (2.6, 2.3), title, subtitle) as grid:
        for axes, (name, difference_S) in zip(grid, differences.items(), strict=True):
            axes.hist(difference_S, 40, color="#BDBDBD")
            axes.axvline(observed[name], color=VERMILLION, linewidth=1.8, label=notes[name])
            axes.set(xlabel=f"Difference of {name}", ylabel="Splits of the days")
            axes.legend(**ABOVE)

"""A person's predicted affect over the days, and what a change is held against.

Axes: P periods (days or hours) without holes, S splits, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.patches import Rectangle

from ser_brain.plots.frame import ABOVE, BLUE, GAP, GREY, INK, VERMILLION, panels
from ser_brain.plots.mood_circle import draw_plane

DAY = np.timedelta64(86_400, "s")
# First and second of two compared periods: colour, dashes.
COMPARED = ((BLUE, "-"), (VERMILLION, "--"))
MOST_NUMBERED = 40


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
            for name, (x, y) in zip(names, centroids_P2, strict=True):
                if np.isfinite(x):
                    place = {"textcoords": "offset points", "xytext": (4, 4), "size": 7}
                    near.annotate(name, (x, y), **place)


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

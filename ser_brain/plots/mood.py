"""Heat maps of a person's predicted affect on the valence-arousal plane.

Axes: G cells of the grid a side, K points of a curve, D days, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet

from ser_brain.mood.density import CENTRES
from ser_brain.plots.frame import INK, VERMILLION, panels
from ser_brain.plots.mood_circle import draw_plane

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
PER_ROW = 4


@dataclass(frozen=True)
class MoodMap:
    """What one panel shows.

    Attributes
    ----------
    share_GG : ndarray or None
        See :func:`ser_brain.mood.density.share_inside`; None where nothing was said.
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

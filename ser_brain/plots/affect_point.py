"""What a model said of a recording, as points among Russell's words.

Axes: N windows (or the one clip), 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ser_brain.plots.frame import GREY, INK, VERMILLION, panels
from ser_brain.plots.mood_circle import draw_plane

MOST_JOINED = 30  # points; more would be a tangle


def affect_point(
    stem: str | Path,
    points_N2: np.ndarray,
    va_range: Sequence[float],
    title: str,
    subtitle: str,
) -> None:
    """Points on the plane, dark to light in the order of time, and their mean.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    points_N2 : ndarray
        On Russell's plane, where the circle has radius 1.
    va_range : (float, float)
        The model's scale, for the axes.
    title, subtitle : str
    """
    with panels(stem, 1, (5.0, 4.1), title, subtitle) as (axes,):
        draw_plane(axes, words=True)
        if len(points_N2) > 1:
            _way(axes, points_N2)
        mean_2 = points_N2.mean(axis=0)
        direction_2 = mean_2 / max(float(np.linalg.norm(mean_2)), 1e-9)
        axes.plot(*np.transpose([(0, 0), direction_2]), ":", color=VERMILLION, linewidth=1.2)
        look = {"color": VERMILLION, "markeredgecolor": "white", "zorder": 5}
        axes.plot(*mean_2, "P", markersize=11, **look)
        for name, label in (("x", "Valence"), ("y", "Arousal")):
            low, high = va_range
            ticks = [f"{value:g}" for value in (low, (low + high) / 2, high)]
            axes.set(**{f"{name}ticklabels": ticks, f"{name}label": label})


def _way(axes: Axes, points_N2: np.ndarray) -> None:
    if len(points_N2) <= MOST_JOINED:
        axes.plot(*points_N2.T, color=GREY, linewidth=0.6, zorder=2)
    look = {"cmap": "cividis", "linewidths": 0.4, "edgecolors": INK, "zorder": 3}
    axes.scatter(*points_N2.T, c=np.arange(len(points_N2)), s=22, rasterized=True, **look)

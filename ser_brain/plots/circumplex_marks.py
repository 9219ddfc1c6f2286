"""What the maps of emotions share: a mark for each, the circle, points, centroids, legend.

Axes: N utterances, E emotions, 2 = the plane's axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from ser_brain.plots.frame import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PANELS_PER_ROW,
    PURPLE,
    VERMILLION,
    cut,
)

# Colour and marker together tell an emotion; alike emotions share neither.
MARKS = {
    "anger": (VERMILLION, "^"),
    "happiness": (ORANGE, "o"),
    "sadness": (BLUE, "v"),
    "neutral": (GREY, "s"),
    "excitement": ("#8C6D00", "*"),
    "frustration": ("#7A2E00", "X"),
    "fear": (PURPLE, "D"),
    "disgust": (GREEN, "P"),
    "surprise": ("#56B4E9", "p"),
    "boredom": ("#003A5C", "<"),
    "contempt": ("#00543E", "h"),
    "calm": ("#9A4C7A", ">"),
}
PANEL_IN = 2.75
LEGEND_IN = 1.2  # width of one entry


def per_row(named: Mapping) -> int:
    """Panels side by side: four stand two by two."""
    return 2 if len(named) == 4 else PANELS_PER_ROW


def draw_circle(axes: Axes) -> None:
    """Russell's circle with the axes of valence and arousal."""
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=GREY, linewidth=0.8, zorder=2))
    axes.plot([-1, 1], [0, 0], color=GREY, linewidth=0.5, zorder=2)
    axes.plot([0, 0], [-1, 1], color=GREY, linewidth=0.5, zorder=2)


def draw_points(
    axes: Axes, points_N2: np.ndarray, emotion_N: np.ndarray, emotions: Sequence[str]
) -> None:
    """All points in one mixed order, so that no emotion hides another; as one image."""
    axes.set_rasterization_zorder(1.5)
    order = np.random.default_rng(0).permutation(len(points_N2))
    alpha = float(np.clip(200 / len(points_N2), 0.08, 0.55))
    for block in np.array_split(order, min(12, len(order))):
        for n, emotion in enumerate(emotions):
            chosen = block[emotion_N[block] == n]
            colour, marker = MARKS[emotion]
            axes.scatter(
                *points_N2[chosen].T,
                s=11,
                color=colour,
                marker=marker,
                alpha=alpha,
                linewidths=0,
                zorder=1,
            )


def draw_centroids(axes: Axes, means_E2: np.ndarray, emotions: Sequence[str]) -> None:
    """A large mark for every emotion, above all else."""
    for n, emotion in enumerate(emotions):
        colour, marker = MARKS[emotion]
        axes.plot(
            *means_E2[n],
            marker,
            color=colour,
            markersize=8,
            markeredgecolor="white",
            markeredgewidth=1,
            zorder=6,
        )


def draw_head(axes: Axes, name: str) -> None:
    """The title of a panel."""
    axes.set_title(cut(name, 34), loc="left", size=9, color=INK, parse_math=False)


def draw_legend(axes: Axes, emotions: Sequence[str]) -> None:
    """One legend below all panels."""
    handles = [
        Line2D([], [], color=MARKS[e][0], marker=MARKS[e][1], linestyle="", label=e)
        for e in emotions
    ]
    axes.figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), 6, int(axes.figure.get_figwidth() / LEGEND_IN)),
        fontsize=8,
        handletextpad=0.2,
    )

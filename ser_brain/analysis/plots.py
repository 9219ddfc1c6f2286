"""Russell's plane of valence and arousal as figures show it: circle, axes, words, ellipses.

Axes: K points of a curve, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from scipy.optimize import isotonic_regression

from ser_brain.data.labels import WORD_ANGLE_DEG
from ser_brain.reporting.plots.frame import GREY, INK

# Four of the eight concepts that Russell (1980, figure 1) puts every 45 degrees.
POLES = {"pleasure": (1, 0), "arousal": (0, 1), "misery": (-1, 0), "sleepiness": (0, -1)}

# In units of the plane.
WORD_RADIUS = 1.2
LINE_HEIGHT = 0.125  # least distance between words, one above the other
AXIS_MARGIN = 0.09  # least distance of a word from the vertical axis


def draw_plane(axes: Axes, words: bool) -> None:
    """Draw Russell's circle with all 28 words (for a large panel) or its four poles only."""
    draw_circle(axes, zorder=1)
    axes.set(aspect="equal")
    if words:
        axes.set(xlim=(-1.72, 1.72), ylim=(-1.45, 1.45))
        for side, set_ticks in (("bottom", axes.set_xticks), ("left", axes.set_yticks)):
            set_ticks([-1, 0, 1], ["−1", "0", "1"])
            axes.spines[side].set_bounds(-1, 1)
        for side in (-1, 1):
            _draw_words(axes, side)
        return
    axes.set(xlim=(-1.22, 1.22), ylim=(-1.22, 1.22), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for word, (x, y) in POLES.items():
        look = {"rotation": 90 * x, "size": 6, "color": GREY}
        axes.text(1.1 * x, 1.1 * y, word, ha="center", va="center", **look)


def draw_circle(axes: Axes, zorder: float) -> None:
    """Draw the unit circle, and below it the axes of valence and arousal."""
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=GREY, linewidth=0.8, zorder=zorder))
    look = {"color": GREY, "linewidth": 0.5, "zorder": zorder - 0.5}
    axes.plot([-1, 1], [0, 0], **look)
    axes.plot([0, 0], [-1, 1], **look)


def _draw_words(axes: Axes, side: int) -> None:
    """Write the words left (-1) or right (1) of the circle, each tied to its place on it."""
    angles = {word: np.radians(angle) for word, angle in WORD_ANGLE_DEG.items()}
    upwards = sorted(
        (np.sin(a), np.cos(a), word) for word, a in angles.items() if side * np.cos(a) > 0
    )
    heights = spread([WORD_RADIUS * y for y, _, _ in upwards], LINE_HEIGHT)
    for (y, x, word), height in zip(upwards, heights, strict=True):
        reach = np.sqrt(max(WORD_RADIUS**2 - height**2, 0))
        beside = side * max(reach, AXIS_MARGIN)
        axes.plot([x, beside], [y, height], color=GREY, linewidth=0.5, zorder=1)
        axes.plot(x, y, "o", color=GREY, markersize=2, zorder=1)
        look = {"ha": "left" if side > 0 else "right", "va": "center", "size": 7.5}
        axes.text(beside + 0.03 * side, height, word, color=INK, **look)


def spread(heights: Sequence[float], apart: float) -> np.ndarray:
    """Move rising heights of labels as little as possible until they are ``apart``.

    Least squares under that constraint: an isotonic regression of the heights, less the room
    that the labels below take up.
    """
    taken = apart * np.arange(len(heights))
    return isotonic_regression(np.asarray(heights) - taken).x + taken


def ellipse(mean_2: np.ndarray, covariance_22: np.ndarray, squared_radius: float) -> np.ndarray:
    """A contour of a normal distribution as a closed curve, shape (K, 2).

    ``squared_radius`` is its squared Mahalanobis distance from the mean.
    """
    variances_2, axes_22 = np.linalg.eigh(covariance_22)
    radii_2 = np.sqrt(np.maximum(variances_2, 0) * squared_radius)
    angles_K = np.linspace(0, 2 * np.pi, 100)
    circle_K2 = np.stack([np.cos(angles_K), np.sin(angles_K)], axis=1)
    return (circle_K2 * radii_2) @ axes_22.T + mean_2

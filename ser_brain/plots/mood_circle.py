"""The valence-arousal plane with Russell's circle, on which moods are drawn."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from ser_brain.mood.words import WORD_ANGLE_DEG, spread
from ser_brain.plots.frame import GREY, INK

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

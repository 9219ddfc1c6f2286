"""Centroids as angles, beside the angles of Russell's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ser_brain.plots.circumplex_marks import MARKS, draw_circle, per_row
from ser_brain.plots.frame import INK, cut, panels

LONGEST = 0.86  # radius at which the farthest centroid is drawn
WORDS_AT = 1.2


def circle(
    stem: str | Path,
    centroids: Mapping[str, Sequence[Mapping]],
    title: str,
    subtitle: str,
) -> None:
    """Angle and radius of the emotions, rotated and reflected onto Russell's words.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    centroids : mapping
        Panel title -> centroids as ``circumplex.arrangement.centroids`` gives them.
    title, subtitle : str
    """
    with panels(stem, len(centroids), (2.9, 2.6), title, subtitle, per_row(centroids)) as grid:
        for axes, (name, found) in zip(grid, centroids.items(), strict=True):
            _panel(axes, [c for c in found if c["angle"]["value"] is not None])
            axes.set_title(cut(name, 36), loc="left", size=9, color=INK, parse_math=False)


def _panel(axes: Axes, found: Sequence[Mapping]) -> None:
    axes.set(xlim=(-1.55, 1.55), ylim=(-1.4, 1.4), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    draw_circle(axes)
    farthest = max((centroid["radius"] for centroid in found), default=1.0)
    for centroid in found:
        colour, marker = MARKS[centroid["emotion"]]
        angle, radius = centroid["angle"], LONGEST * centroid["radius"] / farthest
        end = _at(angle["value"], radius)
        axes.plot([0, end[0]], [0, end[1]], color=colour, linewidth=1.6)
        axes.plot(*end, marker, color=colour, markersize=8, markeredgecolor="white")
        if angle["low"] is not None:
            arc = np.linspace(angle["low"], angle["high"], 60)
            axes.plot(*_at(arc, radius), color=colour, linewidth=3, alpha=0.35)
        if centroid["reference_deg"] is not None:
            _word(axes, centroid, colour)


def _word(axes: Axes, centroid: Mapping, colour: str) -> None:
    """The word's place on the circle; hollow, and dashed where the place is assigned."""
    angle_deg = centroid["reference_deg"]
    edge = "--" if centroid["source"] == "assigned" else "-"
    axes.plot(*_at(np.array([angle_deg] * 2), np.array([0.94, 1.06])), edge, color=colour)
    axes.plot(*_at(angle_deg, 1.0), "o", mfc="white", mec=colour, markersize=6)
    x, y = _at(angle_deg, WORDS_AT)
    side = "center" if abs(x) < 0.4 else "left" if x > 0 else "right"
    text = {"ha": side, "va": "center", "size": 8, "color": INK}
    axes.text(1.12 / WORDS_AT * x if side != "center" else x, y, centroid["emotion"], **text)


def _at(angle_deg: np.ndarray | float, radius: np.ndarray | float) -> np.ndarray:
    angle = np.radians(angle_deg)
    return np.array([radius * np.cos(angle), radius * np.sin(angle)])

"""Emotions in the plane: points, Gaussians and centroids; points placed on the circle.

Axes: N utterances, E emotions, 2 = the plane's axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Ellipse
from scipy.stats import chi2

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
    panels,
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
ELLIPSE_SHARE = 0.8  # of a Gaussian's mass inside its ellipse
PANEL_IN = 2.75


@dataclass(frozen=True)
class Scatter:
    """The points of one panel.

    Attributes
    ----------
    points_N2 : ndarray
    emotion_N : ndarray of int
    means_E2, covariances_E22 : ndarray
        Of each emotion's Gaussian.
    shares : (float, float)
        Of the variance of the fitted set, by the two axes.
    """

    points_N2: np.ndarray
    emotion_N: np.ndarray
    means_E2: np.ndarray
    covariances_E22: np.ndarray
    shares: tuple[float, float]


def components(
    stem: str | Path,
    scatters: Mapping[str, Scatter],
    emotions: Sequence[str],
    title: str,
    subtitle: str,
) -> None:
    """First two components, with a Gaussian's ellipse and centroid per emotion; a panel each.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    scatters : mapping
        Panel title -> Scatter.
    emotions : sequence of str
    title, subtitle : str
    """
    size_in = (PANEL_IN, PANEL_IN)
    with panels(stem, len(scatters), size_in, title, subtitle, per_row(scatters)) as grid:
        for axes, (name, scatter) in zip(grid, scatters.items(), strict=True):
            _points(axes, scatter.points_N2, scatter.emotion_N, emotions)
            for n, emotion in enumerate(emotions):
                _ellipse(axes, scatter.means_E2[n], scatter.covariances_E22[n], emotion)
            _centroids(axes, scatter.means_E2, emotions)
            axes.set_aspect("equal", adjustable="datalim")
            axes.set(
                xlabel=f"Component 1 ({scatter.shares[0]:.0%})",
                ylabel=f"Component 2 ({scatter.shares[1]:.0%})",
            )
            _head(axes, name)
        _legend(grid[0], emotions)


def placed(
    stem: str | Path,
    points: Mapping[str, tuple[np.ndarray, np.ndarray]],
    emotions: Sequence[str],
    targets_E2: np.ndarray,
    title: str,
    subtitle: str,
) -> None:
    """Points placed on the valence-arousal plane; a line ties each centroid to its word.

    Parameters
    ----------
    points : mapping
        Panel title -> (points_N2, emotion_N).
    targets_E2 : ndarray
        Where the emotions' words lie.
    """
    size_in = (PANEL_IN + 0.1, PANEL_IN)
    with panels(stem, len(points), size_in, title, subtitle, per_row(points)) as grid:
        for axes, (name, (points_N2, emotion_N)) in zip(grid, points.items(), strict=True):
            draw_circle(axes)
            _points(axes, points_N2, emotion_N, emotions)
            means_E2 = np.stack(
                [points_N2[emotion_N == n].mean(axis=0) for n in range(len(emotions))]
            )
            for n, emotion in enumerate(emotions):
                line = np.stack([means_E2[n], targets_E2[n]])
                axes.plot(*line.T, color=MARKS[emotion][0], linewidth=1.2, zorder=4)
                axes.plot(*targets_E2[n], "o", mfc="white", mec=MARKS[emotion][0], zorder=5)
            _centroids(axes, means_E2, emotions)
            reach = max(1.3, float(np.quantile(np.abs(points_N2), 0.99)) * 1.1)
            axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
            axes.set(xlabel="Placed valence", ylabel="Placed arousal")
            axes.set_xticks([-1, 0, 1], ["−1", "0", "1"])
            axes.set_yticks([-1, 0, 1], ["−1", "0", "1"])
            _head(axes, name)
        _legend(grid[0], emotions)


def per_row(named: Mapping) -> int:
    """Panels side by side: four stand two by two."""
    return 2 if len(named) == 4 else PANELS_PER_ROW


def draw_circle(axes: Axes) -> None:
    """Russell's circle with the axes of valence and arousal."""
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=GREY, linewidth=0.8, zorder=2))
    axes.plot([-1, 1], [0, 0], color=GREY, linewidth=0.5, zorder=2)
    axes.plot([0, 0], [-1, 1], color=GREY, linewidth=0.5, zorder=2)


def _points(
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


def _ellipse(axes: Axes, mean_2: np.ndarray, covariance_22: np.ndarray, emotion: str) -> None:
    variances, directions = np.linalg.eigh(covariance_22)
    height, width = 2 * np.sqrt(np.maximum(variances, 0) * chi2.ppf(ELLIPSE_SHARE, 2))
    angle_deg = np.degrees(np.arctan2(directions[1, 1], directions[0, 1]))
    axes.add_patch(
        Ellipse(
            mean_2,
            width,
            height,
            angle=angle_deg,
            fill=False,
            edgecolor=MARKS[emotion][0],
            linewidth=1.4,
            zorder=3,
        )
    )


def _centroids(axes: Axes, means_E2: np.ndarray, emotions: Sequence[str]) -> None:
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


def _head(axes: Axes, name: str) -> None:
    axes.set_title(cut(name, 34), loc="left", size=9, color=INK, parse_math=False)


def _legend(axes: Axes, emotions: Sequence[str]) -> None:
    handles = [
        Line2D([], [], color=MARKS[e][0], marker=MARKS[e][1], linestyle="", label=e)
        for e in emotions
    ]
    axes.figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), 6),
        fontsize=8,
        handletextpad=0.2,
    )

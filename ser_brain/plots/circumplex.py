"""Emotions in the first two components: points, Gaussians and centroids.

Axes: N utterances, E emotions, 2 = the plane's axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from scipy.stats import chi2

from ser_brain.plots.circumplex_marks import (
    MARKS,
    PANEL_IN,
    draw_centroids,
    draw_head,
    draw_legend,
    draw_points,
    per_row,
)
from ser_brain.plots.frame import panels

ELLIPSE_SHARE = 0.8  # of a Gaussian's mass inside its ellipse


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
            draw_points(axes, scatter.points_N2, scatter.emotion_N, emotions)
            for n, emotion in enumerate(emotions):
                _ellipse(axes, scatter.means_E2[n], scatter.covariances_E22[n], emotion)
            draw_centroids(axes, scatter.means_E2, emotions)
            axes.set_aspect("equal", adjustable="datalim")
            axes.set(
                xlabel=f"Component 1 ({scatter.shares[0]:.0%})",
                ylabel=f"Component 2 ({scatter.shares[1]:.0%})",
            )
            draw_head(axes, name)
        draw_legend(grid[0], emotions)


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

"""Points placed on Russell's plane of valence and arousal.

Axes: N utterances, E emotions, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser_brain.plots.circumplex_marks import (
    MARKS,
    PANEL_IN,
    draw_centroids,
    draw_circle,
    draw_head,
    draw_legend,
    draw_points,
    per_row,
)
from ser_brain.plots.frame import panels


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
            draw_points(axes, points_N2, emotion_N, emotions)
            means_E2 = np.stack(
                [points_N2[emotion_N == n].mean(axis=0) for n in range(len(emotions))]
            )
            for n, emotion in enumerate(emotions):
                line = np.stack([means_E2[n], targets_E2[n]])
                axes.plot(*line.T, color=MARKS[emotion][0], linewidth=1.2, zorder=4)
                axes.plot(*targets_E2[n], "o", mfc="white", mec=MARKS[emotion][0], zorder=5)
            draw_centroids(axes, means_E2, emotions)
            reach = max(1.3, float(np.quantile(np.abs(points_N2), 0.99)) * 1.1)
            axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
            axes.set(xlabel="Placed valence", ylabel="Placed arousal")
            axes.set_xticks([-1, 0, 1], ["−1", "0", "1"])
            axes.set_yticks([-1, 0, 1], ["−1", "0", "1"])
            draw_head(axes, name)
        draw_legend(grid[0], emotions)

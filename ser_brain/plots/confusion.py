"""Confusion matrices.

Axes: C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ser_brain.plots.frame import INK, PANELS_PER_ROW, cut, panels


def confusion(
    stem: str | Path,
    counts: Mapping[str, np.ndarray],
    emotions: Sequence[str],
    title: str,
    subtitle: str,
) -> None:
    """Confusion matrices, one panel per test set: counts, and percent of each true class.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    counts : mapping
        Test set -> counts, shape (C, C), rows true.
    emotions : sequence of str
        Class order.
    title, subtitle : str
    """
    per_row = len(counts) if len(counts) <= 3 else math.ceil(math.sqrt(len(counts)))
    names = [cut(emotion) for emotion in emotions]
    side_in = 0.75 + 0.08 * max(map(len, names)) + 0.52 * len(names)
    size_in = (side_in, side_in - 0.1)
    per_row = min(PANELS_PER_ROW, per_row)
    with panels(stem, len(counts), size_in, title, subtitle, per_row) as grid:
        for axes, (name, counts_CC) in zip(grid, counts.items(), strict=True):
            _confusion_panel(axes, np.asarray(counts_CC), names)
            if len(counts) > 1:
                heading = f"{cut(name, int(12 * side_in) - 12)} (n = {np.sum(counts_CC):,})"
                axes.set_title(heading, loc="left", parse_math=False)


def _confusion_panel(axes: Axes, counts_CC: np.ndarray, emotions: Sequence[str]) -> None:
    true_C = counts_CC.sum(1, keepdims=True)
    share_CC = np.where(true_C > 0, counts_CC / np.maximum(true_C, 1), np.nan)
    axes.imshow(share_CC, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(share_CC):
        text = "–" if np.isnan(share) else f"{share:.0%}\n{counts_CC[row, column]:,}"
        colour = "white" if share > 0.55 else INK
        axes.text(column, row, text, ha="center", va="center", size=8, color=colour)
    places, text = range(len(emotions)), {"parse_math": False}
    slanted = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(places, emotions, **slanted, **text)
    axes.set_yticks(places, emotions, **text)
    axes.set(xlabel="Predicted emotion", ylabel="True emotion")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    edges = np.arange(1, len(emotions)) - 0.5
    axes.hlines(edges, -0.5, len(emotions) - 0.5, color="white", linewidth=1.5)
    axes.vlines(edges, -0.5, len(emotions) - 0.5, color="white", linewidth=1.5)

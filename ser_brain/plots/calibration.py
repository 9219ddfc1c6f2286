"""Reliability diagrams.

Axes: K bins of confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ser_brain.plots.frame import BLUE, GREY, VERMILLION, panels
from ser_brain.reliability import Reliability

# Colour, marker and dashes of the first and second line.
MARKS = ((BLUE, "o", "-"), (VERMILLION, "s", "--"))


def reliability_diagram(
    stem: str | Path, found: Mapping[str, Reliability], title: str, subtitle: str
) -> None:
    """Accuracy against confidence, and how many utterances each bin holds.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    found : mapping
        Legend (``as trained, ECE 0.12``) -> bins; one or two.
    title, subtitle : str
    """
    with panels(stem, 2, (3.3, 3.0), title, subtitle) as (accuracy, counts):
        accuracy.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        for (label, bins), (colour, marker, dashes) in zip(found.items(), MARKS, strict=False):
            held_K = bins.count_K > 0
            points = bins.confidence_K[held_K], bins.accuracy_K[held_K]
            look = {"color": colour, "linestyle": dashes, "label": label}
            accuracy.plot(*points, marker=marker, markersize=4, linewidth=1.4, **look)
            edges = np.linspace(0, 1, len(bins.count_K) + 1)
            counts.stairs(bins.count_K, edges, linewidth=1.4, **look)
        accuracy.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="Accuracy in the bin")
        counts.set(xlim=(0, 1), ylabel="Predictions in the bin")
        counts.set_ylim(bottom=0)
        for axes in (accuracy, counts):
            axes.set_xlabel("Confidence (highest probability)")
        above = {"loc": "lower left", "bbox_to_anchor": (0, 0.97), "fontsize": 8}
        accuracy.legend(**above)

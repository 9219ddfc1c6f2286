"""A metric under every condition, beside the clean clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.reporting.plots.frame import BLUE, GREY, each_panel

Point = tuple[str, Mapping]  # strength; value, low and high


def strength_curves(
    stem: str | Path,
    panels: Mapping[str, Sequence[Point]],
    metric: str,
    clean: float,
    title: str,
    subtitle: str,
) -> None:
    """A panel for each distortion: the metric with its interval at each strength.

    The dashed line is the metric on clean clips, ``clean``.
    """
    found = [point for points in panels.values() for _, point in points]
    ends = [p[end] for p in found for end in ("value", "low", "high") if p[end] is not None]
    low, high = min([clean, *ends]), max([clean, *ends])
    room = 0.05 * (high - low) or 0.05
    for axes, name, points in each_panel(stem, panels, (2.3, 1.9), title, subtitle):
        axes.axhline(clean, color=GREY, linestyle="--", linewidth=1)
        known = [(x, p) for x, (_, p) in enumerate(points) if p["value"] is not None]
        xs, values = [x for x, _ in known], [p["value"] for _, p in known]
        axes.plot(xs, values, color=BLUE, marker="o", markersize=4, linewidth=1.2)
        for x, point in known:
            if point["low"] is not None:
                axes.vlines(x, point["low"], point["high"], color=BLUE, linewidth=0.9)
        axes.set_xticks(range(len(points)), [strength for strength, _ in points])
        axes.set_xlim(-0.6, len(points) - 0.4)
        axes.set_ylim(low - room, high + room)
        axes.set_title(name, loc="left")
        axes.set_ylabel(metric)

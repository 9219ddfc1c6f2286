"""Training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from ser_brain.plots.frame import ABOVE, LINES, panels


def training(
    stem: str | Path, curves: Mapping[str, Mapping[str, Sequence]], title: str, subtitle: str
) -> None:
    """Losses, scores and learning rates over the epochs, a panel for each quantity.

    Parameters
    ----------
    curves : mapping
        Panel -> line -> points (epoch, value); see ``training_curves.curves_of``.
    """
    with panels(stem, len(curves), (2.7, 2.3), title, subtitle) as grid:
        for axes, (name, lines) in zip(grid, curves.items(), strict=True):
            _training_panel(axes, name, lines)


def _training_panel(axes: Axes, name: str, lines: Mapping[str, Sequence]) -> None:
    for (label, points), (colour, dashes) in zip(lines.items(), LINES, strict=False):
        epochs, values = zip(*points, strict=True)
        marker = "o" if len(points) < 10 else ""
        axes.plot(
            epochs, values, dashes, color=colour, label=label, marker=marker, markersize=3
        )
    axes.set(xlabel="Epoch", ylabel=name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if name == "Learning rate" and all(value > 0 for p in lines.values() for _, value in p):
        axes.set_yscale("log")
    axes.legend(**ABOVE)

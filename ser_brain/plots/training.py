"""Training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from ser_brain.plots.frame import ABOVE, LINES, panels


def training(
    stem: str | Path,
    curves: Mapping[str, Mapping[str, Sequence[Sequence]]],
    title: str,
    subtitle: str,
) -> None:
    """Losses, scores and learning rates over the epochs, a panel for each quantity.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    curves : mapping
        Panel -> line -> points (epoch, value) of each part (fold, seed); see
        ``training_curves``. Several parts are thin lines of one colour.
    title, subtitle : str
    """
    with panels(stem, len(curves), (2.7, 2.3), title, subtitle) as grid:
        for axes, (name, lines) in zip(grid, curves.items(), strict=True):
            _training_panel(axes, name, lines)


def _training_panel(axes: Axes, name: str, lines: Mapping[str, Sequence[Sequence]]) -> None:
    for (label, parts), (colour, dashes) in zip(lines.items(), LINES, strict=False):
        thin = {"linewidth": 0.8, "alpha": 0.7} if len(parts) > 1 else {}
        for number, points in enumerate(parts):
            epochs, values = zip(*points, strict=True)
            marker = "o" if len(points) < 10 and not thin else ""
            axes.plot(epochs, values, dashes, color=colour, marker=marker, markersize=3, **thin)
            if number == 0:
                axes.lines[-1].set_label(label)
    axes.set(xlabel="Epoch", ylabel=name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    epochs = {epoch for parts in lines.values() for points in parts for epoch, _ in points}
    if len(epochs) == 1:  # no room between whole numbers for an axis to choose from
        axes.set_xticks([*epochs])
    values = [value for parts in lines.values() for p in parts for _, value in p]
    if name == "Learning rate" and min(values) > 0:
        axes.set_yscale("log")
    axes.legend(**ABOVE)

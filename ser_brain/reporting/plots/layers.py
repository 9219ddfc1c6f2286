"""UAR of every layer of an encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.reporting.plots.frame import ABOVE, LINES, panels

Point = tuple[str, float, float]  # layer, UAR, standard error


def layer_curves(
    stem: str | Path, series: Mapping[str, Sequence[Point]], title: str, subtitle: str
) -> None:
    """UAR with standard errors: single layers joined by a line, then combinations of them.

    ``series`` maps an entry of the legend to its points. Numbers and ``last`` are layers.
    """
    names = list(dict.fromkeys(name for points in series.values() for name, *_ in points))
    width_in = 1.6 + 0.26 * len(names)
    with panels(stem, 1, (width_in, 2.9), title, subtitle) as (axes,):
        for number, (label, points) in enumerate(series.items()):
            colour, dashes = LINES[number]
            marker, shift = "os"[number], 0.12 * (2 * number - 1)
            single = [point for point in points if is_single(point[0])]
            for some, style in ((single, dashes), (points[len(single) :], "")):
                if not some:
                    continue
                places = [names.index(name) + shift for name, *_ in some]
                axes.errorbar(
                    places,
                    [uar for _, uar, _ in some],
                    [error for *_, error in some],
                    linestyle=style,
                    color=colour,
                    marker=marker,
                    markersize=4,
                    linewidth=1.2,
                    elinewidth=0.8,
                    label=label if some is single else None,
                )
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set(xlabel="Layer (0: input of the first)", ylabel="UAR ± standard error")
        axes.legend(**ABOVE)


def is_single(layer: str) -> bool:
    """Whether a name is that of one layer."""
    return layer.isdecimal() or layer == "last"

"""The numbers behind the maps: explained variance, distances, separability.

Axes: R components, E emotions.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ser_brain.plots.circumplex_marks import per_row
from ser_brain.plots.frame import ABOVE, BLUE, GREY, INK, LINES, ORANGE, cut, panels

SHOWN = 20  # components of a scree plot
# Axis -> colour, marker, and how far above a model's line it is drawn.
AXIS_MARKS = {"arousal": (BLUE, "o", 0.16), "valence": (ORANGE, "s", -0.16)}


def scree(
    stem: str | Path,
    ratios: Mapping[str, np.ndarray],
    shares: Sequence[float],
    title: str,
    subtitle: str,
) -> None:
    """Explained-variance ratio of each component, and cumulated.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    ratios : mapping
        Model -> ratio_R.
    shares : sequence of float
        Marked in the cumulative panel.
    title, subtitle : str
    """
    with panels(stem, 2, (3.5, 2.7), title, subtitle) as (single, whole):
        longest = 2
        for (name, ratio_R), (colour, dashes) in zip(ratios.items(), LINES, strict=False):
            shown = ratio_R[:SHOWN]
            single.plot(
                np.arange(1, len(shown) + 1),
                shown,
                dashes,
                color=colour,
                marker="o",
                markersize=3,
                label=cut(name, 40),
            )
            whole.plot(np.arange(1, len(ratio_R) + 1), np.cumsum(ratio_R), dashes, color=colour)
            longest = max(longest, len(ratio_R))
        for share in shares:
            whole.axhline(share, color=GREY, linewidth=0.8, linestyle=":")
            whole.text(longest * 1.05, share, f"{share:.0%}", va="center", size=7.5, color=GREY)
        single.set(xlabel="Component", ylabel="Explained-variance ratio", ylim=(0, None))
        single.xaxis.get_major_locator().set_params(integer=True)
        whole.set(xlabel="Components", ylabel="Cumulative ratio", ylim=(0, 1.02))
        whole.set(xscale="log", xlim=(1, longest))
        ticks = [tick for tick in (1, 3, 10, 30, 100, 300, 1000) if tick <= longest]
        whole.set_xticks(ticks, map(str, ticks))
        whole.set_xticks([], minor=True)
        single.legend(loc="upper right", fontsize=7.5)


def distances(
    stem: str | Path,
    matrices: Mapping[str, np.ndarray],
    emotions: Sequence[str],
    title: str,
    subtitle: str,
) -> None:
    """Distances between emotions, one panel per model, all on one scale.

    Parameters
    ----------
    matrices : mapping
        Model -> distances, shape (E, E).
    """
    highest = max(np.nanmax(matrix_EE) for matrix_EE in matrices.values())
    size_in = 1.35 + 0.5 * len(emotions)
    with panels(
        stem, len(matrices), (size_in, size_in - 0.25), title, subtitle, per_row(matrices)
    ) as grid:
        for axes, (name, matrix_EE) in zip(grid, matrices.items(), strict=True):
            shown_EE = np.where(np.eye(len(emotions), dtype=bool), np.nan, matrix_EE)
            axes.imshow(shown_EE, cmap="Blues", vmin=0, vmax=highest)
            for (row, column), value in np.ndenumerate(shown_EE):
                if np.isfinite(value):
                    colour = "white" if value > 0.55 * highest else INK
                    axes.text(
                        column,
                        row,
                        f"{value:.1f}",
                        ha="center",
                        va="center",
                        size=8,
                        color=colour,
                    )
            places = range(len(emotions))
            axes.set_xticks(places, emotions, rotation=35, ha="right", rotation_mode="anchor")
            axes.set_yticks(places, emotions)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            axes.set_title(
                cut(name, int(12 * size_in)), loc="left", size=9, color=INK, parse_math=False
            )


def separability(
    stem: str | Path,
    results: Mapping[str, Mapping[str, Mapping]],
    ways: Mapping[str, str],
    title: str,
    subtitle: str,
) -> None:
    """AUC of arousal and valence with intervals, a panel for each way, a line per model.

    Parameters
    ----------
    results : mapping
        Model -> way -> as ``circumplex.axes.separability`` gives it.
    ways : mapping
        Way -> its words.
    """
    height_in = 1.1 + 0.42 * len(results)
    with panels(stem, len(ways), (3.7, height_in), title, subtitle) as grid:
        for axes, (way, words) in zip(grid, ways.items(), strict=True):
            for n, of_model in enumerate(reversed(results.values())):
                _aucs(axes, n, of_model[way])
            axes.axvline(0.5, color=GREY, linewidth=1, linestyle="--")
            axes.set_yticks(range(len(results)), [])
            axes.set(xlim=(0.3, 1.03), ylim=(-0.6, len(results) - 0.4))
            axes.set(xlabel=f"AUC {words}")
        names = [textwrap.fill(name, 24) for name in reversed(results)]
        grid[0].set_yticks(range(len(names)), names, parse_math=False, size=8)
        grid[0].legend(**ABOVE)


def _aucs(axes: Axes, n: int, found: Mapping[str, Mapping]) -> None:
    for axis, (colour, marker, offset) in AXIS_MARKS.items():
        if found[axis] is None or found[axis]["auc"]["value"] is None:
            continue
        auc, y = found[axis]["auc"], n + offset
        if auc["low"] is not None:
            axes.plot([auc["low"], auc["high"]], [y, y], color=colour, linewidth=1.6)
        label = axis if n == 0 else None
        axes.plot(auc["value"], y, marker, color=colour, label=label, clip_on=False, zorder=3)

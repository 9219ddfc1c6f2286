"""Over-prediction: which class swallows which."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ser_brain.plots.frame import BLUE, INK, VERMILLION, cut, panels

MOST_TICKS = 3  # to each side of 1


def over_prediction(
    stem: str | Path,
    per_class: Mapping[str, Sequence[Mapping]],
    title: str,
    subtitle: str,
) -> None:
    """Predicted / true count of every class, a panel for each test set or language.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    per_class : mapping
        Panel -> its classes, as ``label_metrics.per_class`` gives them.
    title, subtitle : str
    """
    ratios = [line["over_prediction"] for lines in per_class.values() for line in lines]
    # Doubling and halving look alike; the axis reaches to the next power of two.
    reach = max((abs(math.log2(ratio)) for ratio in ratios if ratio), default=0)
    reach = 2.0 ** max(1, math.ceil(reach + 0.3))
    classes = max(len(lines) for lines in per_class.values())
    longest = max(len(cut(line["emotion"])) for lines in per_class.values() for line in lines)
    size_in = (2.2 + 0.08 * longest, 0.8 + 0.3 * classes)
    with panels(stem, len(per_class), size_in, title, subtitle) as grid:
        for axes, (name, lines) in zip(grid, per_class.items(), strict=True):
            _over_prediction_panel(axes, lines, reach)
            axes.set_title(cut(name, int(13 * size_in[0])), loc="left", parse_math=False)


def _over_prediction_panel(axes: Axes, lines: Sequence[Mapping], reach: float) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(1 / reach, reach)
    for place, line in enumerate(lines):
        ratio = line["over_prediction"]
        if ratio is None:
            _beside(axes, place, 1, f"never true, {line['predicted']:,} predicted")
            continue
        end = max(ratio, 1 / reach)
        colour = VERMILLION if ratio > 1 else BLUE
        axes.barh(place, end - 1, left=1, height=0.62, color=colour)
        words = f"{ratio:.2f}" if ratio else "never predicted"
        # A bar to the left leaves the right of the line free, and the other way round.
        _beside(axes, place, end if ratio > 1 else 1, words)
    axes.axvline(1, color=INK, linewidth=1)
    names = [cut(line["emotion"]) for line in lines]
    axes.set_yticks(range(len(lines)), names, parse_math=False)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"Predicted / true (n = {sum(line['support'] for line in lines):,})")
    doublings = round(math.log2(reach))
    step = math.ceil(doublings / MOST_TICKS)
    powers = np.arange(step, doublings + 1, step)
    axes.xaxis.set_major_locator(FixedLocator([1, *2.0**powers, *2.0**-powers]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_power_of_two))


def _power_of_two(x: float, _: int) -> str:
    return f"{x:g}" if x >= 1 else f"1/{1 / x:g}"


def _beside(axes: Axes, place: int, x: float, words: str) -> None:
    offset = {"xytext": (4, 0), "textcoords": "offset points"}
    text = axes.annotate(words, (x, place), va="center", size=8, color=INK, **offset)
    text.set_in_layout(False)

"""Figures of corpora, a panel each: classes, distributions, and the plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser_brain.reporting.plots.frame import BLUE, GREY, INK, ORANGE, cut, each_panel

MOST_BARS = 40
MOST_POINTS = 20_000
BINS = 30


def bars(
    stem: Path, counts: Mapping[str, Mapping[str, int]], title: str, subtitle: str
) -> None:
    """Utterances per class, a panel per corpus and label source; the number beside each bar."""
    tallest = max(min(len(found), MOST_BARS) for found in counts.values())
    size_in = (3.2, 0.6 + 0.24 * tallest)
    for axes, name, found in each_panel(
        stem, counts, size_in, title, subtitle, for_papers=False
    ):
        names, numbers = [*found][:MOST_BARS], [*found.values()][:MOST_BARS]
        places = range(len(names))
        axes.barh(places, numbers, color=BLUE, height=0.7)
        axes.set_yticks(places, [cut(each, 18) for each in names], parse_math=False)
        axes.invert_yaxis()
        axes.set(xlim=(0, max(numbers) * 1.25), xlabel="Utterances")
        for place, number in enumerate(numbers):
            axes.text(number, place, f" {number:,}", va="center", size=8, color=INK)
        axes.set_title(cut(name, 40), loc="left", parse_math=False)


def histograms(
    stem: Path, values: Mapping[str, Sequence[float]], label: str, title: str, subtitle: str
) -> None:
    """How values are distributed, a panel per corpus on common axes; the median is dashed."""
    every = np.concatenate([np.asarray(found) for found in values.values()])
    # A single long clip must not squeeze all others into one bin.
    low, high = np.quantile(every, [0, 0.995])
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    for axes, name, found in each_panel(
        stem, values, (3.2, 2.4), title, subtitle, for_papers=False
    ):
        axes.hist(np.clip(found, low, edges[-1]), bins=edges, color=BLUE)
        axes.axvline(np.median(found), color=ORANGE, linestyle="--", linewidth=1.5)
        axes.set(xlabel=label, ylabel="Utterances")
        axes.set_title(cut(name, 40), loc="left", parse_math=False)


def plane(
    stem: Path,
    points: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]],
    title: str,
    subtitle: str,
) -> None:
    """Valence (across) and arousal (up), a panel per corpus in its own units.

    ``points``: name -> valences, arousals, and the ends of the scale.
    """
    for axes, name, (valences, arousals, scale) in each_panel(
        stem, points, (3.4, 3.4), title, subtitle, for_papers=False
    ):
        low, high = scale
        step = -(-len(valences) // MOST_POINTS)
        alpha = float(np.clip(300 / len(valences), 0.08, 0.6))
        look = {"s": 9, "alpha": alpha, "color": BLUE, "linewidths": 0, "rasterized": True}
        axes.scatter(valences[::step], arousals[::step], **look)
        for line in (axes.axhline, axes.axvline):
            line((low + high) / 2, color=GREY, linewidth=0.8, linestyle="--")
        margin = 0.04 * (high - low)
        ends = (low - margin, high + margin)
        axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel="Valence", ylabel="Arousal")
        axes.set_title(cut(name, 40), loc="left", parse_math=False)

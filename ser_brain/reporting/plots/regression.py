"""Figures of valence and arousal: scatter plots, distributions, errors.

``pairs`` maps a dimension to (true_N, predicted_N) in the units of ``va_range``; N utterances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from ser_brain.reporting.plots.frame import ABOVE, BLUE, GREY, INK, VERMILLION, each_panel

MOST_POINTS = 5_000
Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]


def scatter(
    stem: str | Path,
    pairs: Pairs,
    va_range: Sequence[float],
    notes: Mapping[str, str],
    title: str,
    subtitle: str,
) -> None:
    """Predicted against true values, a panel per dimension, with the line of identity.

    ``notes``: the text above each panel (correlation, CCC).
    """
    low, high = va_range
    for axes, name, pair in each_panel(stem, pairs, (3.3, 3.2), title, subtitle):
        ends = [min(low, np.min(pair[1])), max(high, np.max(pair[1]))]
        margin = 0.04 * (ends[1] - ends[0])
        ends = [ends[0] - margin, ends[1] + margin]
        axes.plot(ends, ends, color=GREY, linewidth=1, linestyle="--", label="identity")
        _points(axes, *pair, va_range)
        axes.set(xlim=ends, ylim=ends, aspect="equal")
        axes.set(xlabel=f"True {name} ({low:g} to {high:g})", ylabel=f"Predicted {name}")
        axes.set_title(notes[name], loc="left", size=9, color=INK)


def _points(
    axes: Axes, true_N: np.ndarray, predicted_N: np.ndarray, va_range: Sequence[float]
) -> None:
    """Points or, where they would cover each other, a density."""
    if len(true_N) <= MOST_POINTS:
        alpha = float(np.clip(300 / len(true_N), 0.15, 0.6))
        look = {"s": 9, "alpha": alpha, "color": BLUE, "linewidths": 0}
        axes.scatter(true_N, predicted_N, rasterized=True, **look)
        return
    width = (va_range[1] - va_range[0]) / 40
    bins = [_bins(values_N, width) for values_N in (true_N, predicted_N)]
    look = {"cmap": "Blues", "norm": LogNorm(vmin=0.5), "rasterized": True}
    *_, places = axes.hist2d(true_N, predicted_N, bins, cmin=1, **look)
    scale = axes.inset_axes([0.6, 0.17, 0.36, 0.03])  # A corner with few points.
    axes.figure.colorbar(places, cax=scale, orientation="horizontal")
    scale.tick_params(labelsize=7)
    scale.set_xlabel("Count", size=7, labelpad=1)


def distribution(
    stem: str | Path, pairs: Pairs, va_range: Sequence[float], title: str, subtitle: str
) -> None:
    """Distributions of true and predicted values, a panel per dimension."""
    low, high = va_range
    for axes, name, pair in each_panel(stem, pairs, (3.3, 2.5), title, subtitle):
        # Ratings are on a grid (IEMOCAP: halves); each bin is centred on a grid point.
        bins = _bins(np.concatenate([*pair, [low, high]]), (high - low) / 16)
        axes.hist(pair[0], bins, color="#BDBDBD", label="true")
        line = {"histtype": "step", "color": BLUE, "linewidth": 1.8}
        axes.hist(pair[1], bins, label="predicted", **line)
        axes.set(xlabel=f"{name.capitalize()} ({low:g} to {high:g})", ylabel="Count")
        axes.legend(**ABOVE)


def errors(
    stem: str | Path, pairs: Pairs, va_range: Sequence[float], title: str, subtitle: str
) -> None:
    """Histograms of predicted - true, a panel per dimension, with zero and the mean."""
    low, high = va_range
    for axes, name, (true_N, predicted_N) in each_panel(
        stem, pairs, (3.3, 2.5), title, subtitle
    ):
        error_N = predicted_N - true_N
        reach = max(np.abs(error_N).max(), (high - low) / 16)
        axes.hist(error_N, _bins(np.array([-reach, reach]), (high - low) / 20), color=BLUE)
        axes.axvline(0, color=INK, linewidth=1, label="no error")
        label = f"mean {error_N.mean():+.3f}".replace("-", "−")
        line = {"color": VERMILLION, "linewidth": 1.5, "linestyle": "--"}
        axes.axvline(error_N.mean(), label=label, **line)
        axes.set(xlabel=f"Error of {name} (predicted − true)", ylabel="Count")
        axes.legend(**ABOVE)


def _bins(values: np.ndarray, width: float) -> np.ndarray:
    """Edges of bins centred on the multiples of ``width``, around every value."""
    first, last = np.round(values.min() / width), np.round(values.max() / width)
    return width * (np.arange(first, last + 1.5) - 0.5)

"""Figures for reports and papers, each as SVG and PNG. The only importer of matplotlib.

Every function takes data and a path without suffix and writes both files whole or not at
all. No pyplot: no window and no state shared between figures. Colours are those of Okabe and
Ito (2008), which colour-blind readers tell apart; no meaning rests on colour alone.

Axes: N utterances, C classes.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser_brain.files import atomic_path

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILLION, PURPLE = "#D55E00", "#CC79A7"
GREY, INK = "#6B6B6B", "#1A1A1A"
STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.hashsalt": "ser-recipes",
}
# Points drawn as pixels, so that an SVG of 100,000 utterances stays small.
PIXELS_PER_INCH = 200
PANELS_PER_ROW = 3
# Colour and dashes of the first, second ... line of a panel.
LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VERMILLION, ":"), (PURPLE, "-"))
# A legend in the free strip above the panel.
ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 0.97), "ncols": 2, "fontsize": 8}


def new_figure(width_in: float, height_in: float, title: str, subtitle: str) -> Figure:
    """An empty figure with a bold title and grey lines below it (the protocol).

    Parameters
    ----------
    width_in, height_in : float
        Inches; what the words need is added to the height.
    title, subtitle : str
        Taken literally (no formulas); cut or broken to the width.
    """
    lines = textwrap.wrap(subtitle, int(width_in * 15)) or [""]
    words_in = 0.34 + 0.14 * len(lines)
    height_in += words_in
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - words_in / height_in), w_pad=0.06)
    text = {"x": 0.08 / width_in, "va": "top", "parse_math": False}
    title = textwrap.shorten(title, int(width_in * 10), placeholder=" …")
    figure.text(y=1 - 0.08 / height_in, s=title, weight="bold", size=11, color=INK, **text)
    below = "\n".join(lines)
    figure.text(y=1 - 0.3 / height_in, s=below, size=7.5, color=GREY, **text)
    return figure


def save(figure: Figure, stem: str | Path) -> None:
    """Write ``<stem>.svg`` and ``<stem>.png``, byte for byte the same on every run."""
    for _ in range(2):  # Panels of equal scales settle at the second pass.
        figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")
    for suffix, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {})):
        with atomic_path(f"{stem}.{suffix}") as temporary:
            figure.savefig(
                temporary,
                format=suffix,
                dpi=PIXELS_PER_INCH,
                metadata=metadata,
                facecolor="white",
            )


def confusion(
    stem: str | Path,
    panels: Mapping[str, np.ndarray],
    emotions: Sequence[str],
    title: str,
    subtitle: str,
) -> None:
    """Confusion matrices, one panel per test set: counts, and percent of each true class.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    panels : mapping
        Test set -> counts, shape (C, C), rows true.
    emotions : sequence of str
        Class order.
    title, subtitle : str
    """
    columns = len(panels) if len(panels) <= 3 else math.ceil(math.sqrt(len(panels)))
    columns = min(PANELS_PER_ROW, columns)
    rows = -(-len(panels) // columns)
    side_in = 1.5 + 0.52 * len(emotions)
    with matplotlib.rc_context(STYLE):
        figure = new_figure(max(4.2, side_in * columns), side_in * rows - 0.1, title, subtitle)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (name, counts_CC) in zip(grid.flat, panels.items(), strict=False):
            _confusion_panel(axes, np.asarray(counts_CC), emotions)
            if len(panels) > 1:
                axes.set_title(
                    f"{name} (n = {np.sum(counts_CC):,})", loc="left", parse_math=False
                )
        save(figure, stem)


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


def scatter(
    stem: str | Path,
    panels: Mapping[str, tuple[np.ndarray, np.ndarray]],
    va_range: Sequence[float],
    notes: Mapping[str, str],
    title: str,
    subtitle: str,
) -> None:
    """Predicted against true values, one panel per dimension, with the line of identity.

    Parameters
    ----------
    panels : mapping
        Dimension -> (true_N, predicted_N) in the units of ``va_range``.
    notes : mapping
        Dimension -> text in the corner (correlation, CCC).
    """
    low, high = va_range
    with matplotlib.rc_context(STYLE):
        figure = new_figure(3.3 * len(panels), 3.2, title, subtitle)
        for axes, (name, (true_N, predicted_N)) in _side_by_side(figure, panels):
            ends = [min(low, np.min(predicted_N)), max(high, np.max(predicted_N))]
            margin = 0.04 * (ends[1] - ends[0])
            ends = [ends[0] - margin, ends[1] + margin]
            axes.plot(ends, ends, color=GREY, linewidth=1, linestyle="--", label="identity")
            axes.scatter(
                true_N,
                predicted_N,
                s=9,
                alpha=float(np.clip(300 / len(true_N), 0.04, 0.6)),
                color=BLUE,
                linewidths=0,
                rasterized=True,
            )
            axes.set(xlim=ends, ylim=ends, aspect="equal")
            axes.set(xlabel=f"True {name} ({low:g} to {high:g})", ylabel=f"Predicted {name}")
            axes.set_title(notes[name], loc="left", size=9, color=INK)
        save(figure, stem)


def _side_by_side(figure: Figure, panels: Mapping) -> list[tuple[Axes, tuple]]:
    grid = figure.subplots(1, len(panels), squeeze=False)
    return list(zip(grid.flat, panels.items(), strict=True))


def distribution(
    stem: str | Path,
    panels: Mapping[str, tuple[np.ndarray, np.ndarray]],
    va_range: Sequence[float],
    title: str,
    subtitle: str,
) -> None:
    """Distributions of true and predicted values, one panel per dimension."""
    low, high = va_range
    with matplotlib.rc_context(STYLE):
        figure = new_figure(3.3 * len(panels), 2.5, title, subtitle)
        for axes, (name, (true_N, predicted_N)) in _side_by_side(figure, panels):
            # Ratings lie on a grid (IEMOCAP: halves); each bin is centred on one of its points.
            bins = _bins(np.concatenate([true_N, predicted_N, [low, high]]), (high - low) / 16)
            axes.hist(true_N, bins, color="#BDBDBD", label="true")
            axes.hist(
                predicted_N, bins, histtype="step", color=BLUE, linewidth=1.8, label="predicted"
            )
            axes.set(xlabel=f"{name.capitalize()} ({low:g} to {high:g})", ylabel="Utterances")
            axes.legend(**ABOVE)
        save(figure, stem)


def errors(
    stem: str | Path,
    panels: Mapping[str, tuple[np.ndarray, np.ndarray]],
    va_range: Sequence[float],
    title: str,
    subtitle: str,
) -> None:
    """Histograms of predicted - true, one panel per dimension, with zero and the mean."""
    low, high = va_range
    with matplotlib.rc_context(STYLE):
        figure = new_figure(3.3 * len(panels), 2.5, title, subtitle)
        for axes, (name, (true_N, predicted_N)) in _side_by_side(figure, panels):
            error_N = predicted_N - true_N
            reach = max(np.abs(error_N).max(), (high - low) / 16)
            axes.hist(error_N, _bins(np.array([-reach, reach]), (high - low) / 20), color=BLUE)
            axes.axvline(0, color=INK, linewidth=1, label="no error")
            mean = error_N.mean()
            axes.axvline(
                mean,
                color=VERMILLION,
                linewidth=1.5,
                linestyle="--",
                label=f"mean {mean:+.3f}".replace("-", "−"),
            )
            axes.set(xlabel=f"Error of {name} (predicted − true)", ylabel="Utterances")
            axes.legend(**ABOVE)
        save(figure, stem)


def _bins(values: np.ndarray, width: float) -> np.ndarray:
    """Edges of bins centred on the multiples of ``width``, around every value."""
    first, last = np.round(values.min() / width), np.round(values.max() / width)
    return width * (np.arange(first, last + 1.5) - 0.5)


def training(
    stem: str | Path, curves: Mapping[str, Mapping[str, Sequence]], title: str, subtitle: str
) -> None:
    """Losses, scores and learning rates over the epochs, a panel for each quantity.

    Parameters
    ----------
    curves : mapping
        Panel -> line -> points (epoch, value); see ``training_curves.curves_of``.
    """
    columns = min(PANELS_PER_ROW, len(curves))
    rows = -(-len(curves) // columns)
    with matplotlib.rc_context(STYLE):
        figure = new_figure(max(4.2, 2.7 * columns), 2.3 * rows, title, subtitle)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(curves) :]:
            axes.set_visible(False)
        for axes, (name, lines) in zip(grid.flat, curves.items(), strict=False):
            _training_panel(axes, name, lines)
        save(figure, stem)


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

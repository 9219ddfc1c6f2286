"""Figures of emotion classes: confusion, over-prediction, reliability, heat maps.

Axes: C classes, K bins, R rows, M columns.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ser_brain.core.tables import is_best, value_text
from ser_brain.evaluation.calibration import ReliabilityBins
from ser_brain.reporting.plots.frame import (
    BLUE,
    GREY,
    INK,
    PANELS_PER_ROW,
    VERMILLION,
    cut,
    each_panel,
    panels,
)


def confusion(
    stem: str | Path,
    counts: Mapping[str, np.ndarray],
    emotions: Sequence[str],
    title: str,
    subtitle: str,
) -> None:
    """Confusion matrices, a panel per test set: counts, and percent of each true class.

    ``counts``: panel -> matrix, shape (C, C), rows true, in the order of ``emotions``.
    """
    per_row = len(counts) if len(counts) <= 3 else math.ceil(math.sqrt(len(counts)))
    names = [cut(emotion) for emotion in emotions]
    side_in = 0.75 + 0.08 * max(map(len, names)) + 0.52 * len(names)
    size_in = (side_in, side_in - 0.1)
    per_row = min(PANELS_PER_ROW, per_row)
    for axes, name, counts_CC in each_panel(stem, counts, size_in, title, subtitle, per_row):
        _confusion_panel(axes, np.asarray(counts_CC), names)
        if len(counts) > 1:
            heading = f"{cut(name, int(12 * side_in) - 12)} (n = {np.sum(counts_CC):,})"
            axes.set_title(heading, loc="left", parse_math=False)


def _confusion_panel(axes: Axes, counts_CC: np.ndarray, emotions: Sequence[str]) -> None:
    true_C = counts_CC.sum(1, keepdims=True)
    share_CC = np.where(true_C > 0, counts_CC / np.maximum(true_C, 1), np.nan)
    axes.imshow(share_CC, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(share_CC):
        text = "–" if np.isnan(share) else f"{share:.0%}\n{counts_CC[row, column]:,}"
        colour = "white" if share > 0.55 else INK
        axes.text(column, row, text, ha="center", va="center", size=8, color=colour)
    _name_matrix(axes, emotions, emotions, "True emotion", "Predicted emotion")


def _name_matrix(
    axes: Axes, rows: Sequence[str], columns: Sequence[str], ylabel: str, xlabel: str
) -> None:
    """Name the rows and columns of a matrix, and separate its cells by white lines."""
    slanted = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(columns)), columns, parse_math=False, **slanted)
    axes.set_yticks(range(len(rows)), rows, parse_math=False)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    lines = {"color": "white", "linewidth": 1.5}
    axes.hlines(np.arange(1, len(rows)) - 0.5, -0.5, len(columns) - 0.5, **lines)
    axes.vlines(np.arange(1, len(columns)) - 0.5, -0.5, len(rows) - 0.5, **lines)


MOST_TICKS = 3  # on each side of 1


def over_prediction(
    stem: str | Path,
    per_class: Mapping[str, Sequence[Mapping]],
    title: str,
    subtitle: str,
) -> None:
    """Predicted / true count of every class, a panel for each test set or language.

    ``per_class`` maps a panel to its classes; see
    :func:`ser_brain.evaluation.metrics.per_class`.
    """
    ratios = [line["over_prediction"] for lines in per_class.values() for line in lines]
    # On a logarithmic axis, doubling and halving look alike; it ends at a power of two.
    reach = max((abs(math.log2(ratio)) for ratio in ratios if ratio), default=0)
    reach = 2.0 ** max(1, math.ceil(reach + 0.3))
    classes = max(len(lines) for lines in per_class.values())
    longest = max(len(cut(line["emotion"])) for lines in per_class.values() for line in lines)
    size_in = (2.2 + 0.08 * longest, 0.8 + 0.3 * classes)
    for axes, name, lines in each_panel(stem, per_class, size_in, title, subtitle):
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
        # Beside the bar, or on the free side of the line if the bar is on the left.
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
    powers = FuncFormatter(lambda x, _: f"{x:g}" if x >= 1 else f"1/{1 / x:g}")
    axes.xaxis.set_major_formatter(powers)


def _beside(axes: Axes, place: int, x: float, words: str) -> None:
    offset = {"xytext": (4, 0), "textcoords": "offset points"}
    text = axes.annotate(words, (x, place), va="center", size=8, color=INK, **offset)
    text.set_in_layout(False)


# Colour, marker and dashes of the first and second line.
MARKS = ((BLUE, "o", "-"), (VERMILLION, "s", "--"))


def reliability_diagram(
    stem: str | Path, found: Mapping[str, ReliabilityBins], title: str, subtitle: str
) -> None:
    """Accuracy against confidence, and the number of utterances in each bin.

    ``found`` maps one or two entries of the legend (``as trained, ECE 0.12``) to bins.
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


CELL_IN = (0.72, 0.42)

# Where a label is wrapped, and the width of a character.
LABEL_CHARACTERS, CHARACTER_IN = 22, 0.075


def heat_map(
    stem: str | Path,
    cells: Mapping[str, Sequence[Sequence[Mapping | None]]],
    rows: Sequence[str],
    columns: Sequence[str],
    chance: Sequence[float],
    title: str,
    subtitle: str,
) -> None:
    """Results by colour and number, one panel per metric.

    White is chance or below, the darkest colour is 1, so that test sets with different numbers
    of classes can be compared. ``cells`` maps a metric to R rows (test sets) of M table cells
    (models), None where a model was not tested; ``chance`` is that of every row.
    """
    rows, columns = [_wrapped(row) for row in rows], [_wrapped(column) for column in columns]
    # A label slanted by 35 degrees extends to the left of its column and below it.
    beside_in = 0.3 + max(_width_in(rows), 0.8 * _width_in(columns) - CELL_IN[0] / 2)
    below_in = 0.7 + 0.6 * _width_in(columns)
    size_in = beside_in + CELL_IN[0] * len(columns), below_in + CELL_IN[1] * len(rows)
    per_row = max(1, int(8 / size_in[0]))
    for axes, metric, cells_RM in each_panel(stem, cells, size_in, title, subtitle, per_row):
        _heat_map_panel(axes, cells_RM, np.asarray(chance))
        if len(cells) > 1:
            axes.set_title(metric, loc="left", parse_math=False)
        _name_matrix(axes, rows, columns, "Test set", "Model")


def _wrapped(name: str) -> str:
    return "\n".join(textwrap.fill(line, LABEL_CHARACTERS) for line in name.split("\n"))


def _width_in(labels: Sequence[str]) -> float:
    return CHARACTER_IN * max(len(line) for label in labels for line in label.split("\n"))


def _heat_map_panel(
    axes: Axes, cells_RM: Sequence[Sequence[Mapping | None]], chance_R: np.ndarray
) -> None:
    values_RM = np.array(
        [[cell["value"] if cell else None for cell in row] for row in cells_RM], dtype=float
    )
    # In a set of a single class, chance is 1 and nothing is above it.
    reach_R = np.maximum(1 - chance_R, 1e-9)
    above_RM = (values_RM - chance_R[:, None]) / reach_R[:, None]
    axes.set_facecolor("#EEEEEE")
    axes.imshow(np.clip(above_RM, 0, 1), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    # The text is inside its cell; measuring hundreds would take seconds.
    look = {"ha": "center", "va": "center", "size": 9, "in_layout": False}
    for (row, column), above in np.ndenumerate(above_RM):
        cell = cells_RM[row][column]
        weight = "bold" if is_best(cell) else "normal"
        colour = GREY if np.isnan(above) else "white" if above > 0.55 else INK
        axes.text(column, row, value_text(cell), weight=weight, color=colour, **look)

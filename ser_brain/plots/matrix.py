"""Heat maps: models x test sets.

Axes: R test sets (rows), M models (columns).
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ser_brain.plots.frame import GREY, INK, panels
from ser_brain.tables import is_best, value_text

CELL_IN = (0.72, 0.42)
# Where a label is broken, and how wide a character of it is.
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

    White is chance or below, the darkest colour is 1, so that test sets of different numbers
    of classes can be compared.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    cells : mapping
        Metric -> R rows of M cells of a table; None where a model was not tested.
    rows, columns : sequence of str
        Names of test sets and models.
    chance : sequence of float
        Chance level of every row, shape (R,).
    title, subtitle : str
    """
    rows, columns = [_broken(row) for row in rows], [_broken(column) for column in columns]
    # Slanted by 35 degrees, a label under the first column reaches to the left and down.
    beside_in = 0.3 + max(_width_in(rows), 0.8 * _width_in(columns) - CELL_IN[0] / 2)
    below_in = 0.7 + 0.6 * _width_in(columns)
    size_in = beside_in + CELL_IN[0] * len(columns), below_in + CELL_IN[1] * len(rows)
    per_row = max(1, int(8 / size_in[0]))
    with panels(stem, len(cells), size_in, title, subtitle, per_row) as grid:
        for axes, (metric, cells_RM) in zip(grid, cells.items(), strict=True):
            _panel(axes, cells_RM, np.asarray(chance))
            if len(cells) > 1:
                axes.set_title(metric, loc="left", parse_math=False)
            _name(axes, rows, columns)


def _broken(name: str) -> str:
    return "\n".join(textwrap.fill(line, LABEL_CHARACTERS) for line in name.split("\n"))


def _width_in(labels: Sequence[str]) -> float:
    return CHARACTER_IN * max(len(line) for label in labels for line in label.split("\n"))


def _panel(
    axes: Axes, cells_RM: Sequence[Sequence[Mapping | None]], chance_R: np.ndarray
) -> None:
    values_RM = np.array(
        [[cell["value"] if cell else None for cell in row] for row in cells_RM], dtype=float
    )
    # A set of a single class has nothing above chance.
    reach_R = np.maximum(1 - chance_R, 1e-9)
    above_RM = (values_RM - chance_R[:, None]) / reach_R[:, None]
    axes.set_facecolor("#EEEEEE")
    axes.imshow(np.clip(above_RM, 0, 1), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), above in np.ndenumerate(above_RM):
        cell = cells_RM[row][column]
        axes.text(
            column,
            row,
            value_text(cell),
            ha="center",
            va="center",
            size=9,
            weight="bold" if is_best(cell) else "normal",
            color=GREY if np.isnan(above) else "white" if above > 0.55 else INK,
            in_layout=False,  # It lies within the cell; measuring hundreds takes seconds.
        )


def _name(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    slanted = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(columns)), columns, parse_math=False, **slanted)
    axes.set_yticks(range(len(rows)), rows, parse_math=False)
    axes.set(xlabel="Model", ylabel="Test set")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    lines = {"color": "white", "linewidth": 1.5}
    axes.hlines(np.arange(1, len(rows)) - 0.5, -0.5, len(columns) - 0.5, **lines)
    axes.vlines(np.arange(1, len(columns)) - 0.5, -0.5, len(rows) - 0.5, **lines)

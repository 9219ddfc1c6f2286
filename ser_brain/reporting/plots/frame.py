"""The frame of every figure: style, colours, title, grid of panels, files.

No pyplot: no window and no state shared between figures. Colours are those of Okabe and
Ito (2008), which colour-blind readers tell apart; no meaning rests on colour alone.
"""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser_brain.core.files import atomic_path

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILLION, PURPLE = "#D55E00", "#CC79A7"
GREY, INK = "#6B6B6B", "#1A1A1A"
GAP = "#EDEDED"  # where there is nothing to draw
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
    title = cut(title, int(width_in * 10))
    figure.text(y=1 - 0.08 / height_in, s=title, weight="bold", size=11, color=INK, **text)
    below = "\n".join(lines)
    figure.text(y=1 - 0.3 / height_in, s=below, size=7.5, color=GREY, **text)
    return figure


def cut(text: str, characters: int = 24) -> str:
    """Text that leaves room for the panel: the end of a longer one is cut off.

    Examples
    --------
    >>> cut("neutral"), cut("a name without end", 8)
    ('neutral', 'a name …')
    """
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


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


@contextlib.contextmanager
def panels(
    stem: str | Path,
    count: int,
    panel_in: tuple[float, float],
    title: str,
    subtitle: str,
    per_row: int = PANELS_PER_ROW,
) -> Iterator[list[Axes]]:
    """A figure of equal panels, written to ``<stem>.svg`` and ``<stem>.png`` at the end.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    count : int
        How many panels.
    panel_in : (float, float)
        Width and height of one, in inches.
    title, subtitle : str
        See :func:`new_figure`.
    per_row : int

    Yields
    ------
    list of Axes
    """
    columns = min(per_row, count)
    rows = -(-count // columns)
    with matplotlib.rc_context(STYLE):
        size_in = max(4.2, panel_in[0] * columns), panel_in[1] * rows
        figure = new_figure(*size_in, title, subtitle)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[count:]:
            axes.set_visible(False)
        yield list(grid.flat[:count])
        save(figure, stem)

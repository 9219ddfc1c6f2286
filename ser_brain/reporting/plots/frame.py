"""The frame of every figure: style, colours, title, grid of panels, files.

Figures are made without pyplot, which would share state between them. The colours are those of
Okabe and Ito (2008), which colour-blind readers can tell apart; no meaning rests on colour
alone.
"""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ser_brain.core.files import atomic_path
from ser_brain.reporting.html import UNTITLED

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILLION, PURPLE = "#D55E00", "#CC79A7"
GREY, INK = "#6B6B6B", "#1A1A1A"
GAP = "#EDEDED"  # where there are no data
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
    "pdf.fonttype": 42,  # TrueType: publishers refuse the default, Type 3
}
NO_DATE = {"svg": {"Date": None, "Creator": None}, "png": {}, "pdf": {"CreationDate": None}}

# Points drawn as pixels, so that an SVG of 100,000 utterances stays small.
PIXELS_PER_INCH = 200
PANELS_PER_ROW = 3

# Colour and dashes of the first, second ... line of a panel.
LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VERMILLION, ":"), (PURPLE, "-"))

# A legend in the free strip above the panel.
ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 0.97), "ncols": 2, "fontsize": 8}


def new_figure(width_in: float, height_in: float, title: str, subtitle: str) -> Figure:
    """Make an empty figure with a bold title and, below it, the subtitle in grey.

    The height of both is added to that of the panels. They are literal text, without formulas;
    a long title is cut, a long subtitle is wrapped.
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
    """Cut the end off a long text, so that it leaves room for the panel."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def save(figure: Figure, stem: str | Path, for_papers: bool = True) -> None:
    """Write ``<stem>.svg`` and ``<stem>.png``, byte for byte the same on every run.

    For papers come ``<stem>-untitled.svg`` and ``<stem>-untitled.pdf``, without title and
    subtitle, because the caption says both.
    """
    engine = figure.get_layout_engine()
    for _ in range(2):  # Panels of equal scales settle at the second pass.
        engine.execute(figure)
    figure.set_layout_engine(None)  # and not "none", which draws everything twice
    for suffix in ("svg", "png"):
        _write(figure, f"{stem}.{suffix}")
    if for_papers:
        width_in, height_in = figure.get_size_inches()
        panels_in = Bbox([[0, 0], [width_in, height_in * engine.get()["rect"][3]]])
        for text in figure.texts:
            text.set_visible(False)
        for suffix in ("svg", "pdf"):
            _write(figure, f"{stem}{UNTITLED}.{suffix}", panels_in)


def _write(figure: Figure, path: str, part_in: Bbox | None = None) -> None:
    suffix = path.rpartition(".")[2]
    with atomic_path(path) as temporary:
        figure.savefig(
            temporary,
            format=suffix,
            dpi=PIXELS_PER_INCH,
            metadata=NO_DATE[suffix],
            facecolor="white",
            bbox_inches=part_in,
        )


@contextlib.contextmanager
def panels(
    stem: str | Path,
    count: int,
    panel_in: tuple[float, float],
    title: str,
    subtitle: str,
    per_row: int = PANELS_PER_ROW,
    for_papers: bool = True,
) -> Iterator[list[Axes]]:
    """Yield the axes of a figure of equal panels (width and height in inches), and save it.

    ``stem`` is its path without suffix; see :func:`save` and, on titles, :func:`new_figure`.
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
        save(figure, stem, for_papers)


def each_panel(
    stem: str | Path,
    contents: Mapping[str, Any],
    panel_in: tuple[float, float],
    title: str,
    subtitle: str,
    per_row: int = PANELS_PER_ROW,
    for_papers: bool = True,
) -> Iterator[tuple[Axes, str, Any]]:
    """Loop over axes, name and content of the :func:`panels` of a figure."""
    with panels(stem, len(contents), panel_in, title, subtitle, per_row, for_papers) as grid:
        for axes, (name, content) in zip(grid, contents.items(), strict=True):
            yield axes, name, content
